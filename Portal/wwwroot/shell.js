// What the server cannot do from afar: keyboard shortcuts, choices kept in cookies, keys that must not scroll or submit.
const remember = (name, value) => { document.cookie = `${name}=${encodeURIComponent(value)};path=/;max-age=31536000;samesite=lax`; };
const root = document.documentElement;

window.portal = {
  chooseTheme(theme) {
    root.dataset.theme = theme;
    remember("theme", theme);
  },
  chooseClass(id) { remember("class", id); },
  zone() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    remember("zone", zone);
    return zone;
  },
  submit(form) { document.getElementById(form)?.requestSubmit(); },
  hidden() { return document.visibilityState === "hidden"; },
  async copy(text) { await navigator.clipboard.writeText(text); },
};

document.addEventListener("click", event => {
  if (!event.target.closest?.("[data-fold-rail]")) return;
  root.dataset.rail = root.dataset.rail === "folded" ? "open" : "folded";
  remember("rail", root.dataset.rail);
});

const typing = target => target.closest?.("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", event => {
  if (typing(event.target)?.dataset.quietKeys?.split(" ").includes(event.key)) event.preventDefault();
  const key = (event.ctrlKey || event.metaKey ? "mod+" : "") + event.key.toLowerCase();
  if (!key.startsWith("mod+") && (typing(event.target) || event.altKey || document.querySelector("[role=dialog]"))) return;
  const button = document.querySelector(`[data-hotkey="${CSS.escape(key)}"], [data-hotkey="${key.replace(/["\\]/g, "")}"]`);
  if (!button || document.querySelector("[role=dialog]")) return;
  event.preventDefault();
  button.click();
});
