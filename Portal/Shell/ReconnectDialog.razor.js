// What a person sees when the circuit is lost or paused, and how the page recovers automatically.
const dialog = document.getElementById("components-reconnect-modal");
const tryAgainAfter = 3000;
const pauseAfter = 120000;
let again = 0;
let sleep = 0;
let asleep = false;

dialog.addEventListener("components-reconnect-state-changed", ({ detail: { state } }) => {
  if (state === "show" || state === "paused") { if (!dialog.open) dialog.showModal(); }
  else if (state === "hide") { if (dialog.open) dialog.close(); }
  else if (state === "failed") tryLater();
  else if (state === "rejected") location.reload();
  if (state === "paused") asleep = true;
  if (state === "paused" && document.visibilityState === "visible") wake();
});
document.getElementById("reconnect-retry").addEventListener("click", retry);
document.getElementById("reconnect-resume").addEventListener("click", wake);
document.getElementById("reconnect-reload").addEventListener("click", () => location.reload());

// A hidden tab releases its memory on the server and reconnects when shown again.
document.addEventListener("visibilitychange", () => {
  clearTimeout(sleep);
  if (document.visibilityState === "visible") {
    if (asleep) wake();
    else if (again) retry();
  } else {
    sleep = setTimeout(() => Blazor.pauseCircuit(), pauseAfter);
  }
});

function tryLater() {
  clearTimeout(again);
  again = setTimeout(() => document.visibilityState === "visible" ? retry() : tryLater(), tryAgainAfter);
}

async function retry() {
  clearTimeout(again);
  again = 0;
  try {
    // false: the server answered, but no longer knows this circuit.
    if (await Blazor.reconnect() || await Blazor.resumeCircuit()) dialog.close();
    else location.reload();
  } catch {
    tryLater();
  }
}

async function wake() {
  asleep = false;
  try {
    if (!await Blazor.resumeCircuit()) location.reload();
  } catch {
    asleep = true;
    dialog.classList.replace("components-reconnect-paused", "components-reconnect-resume-failed");
  }
}
