// What the server cannot do remotely: keyboard shortcuts, choices kept in cookies, keys that must not scroll or submit.
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
  focusTitle() { document.querySelector("h1")?.focus(); },
  submit(form) { document.getElementById(form)?.requestSubmit(); },
  hidden() { return document.visibilityState === "hidden"; },
  async copy(text) { await navigator.clipboard.writeText(text); },
};

document.addEventListener("click", event => {
  if (!event.target.closest?.("[data-fold-rail]")) return;
  root.dataset.rail = root.dataset.rail === "folded" ? "open" : "folded";
  remember("rail", root.dataset.rail);
});

// Blazor would treat the click on the link as a navigation, which scrolls but does not move the focus.
document.addEventListener("click", event => {
  if (!event.target.closest?.(".skip")) return;
  event.preventDefault();
  document.getElementById("main")?.focus();
}, { capture: true });

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

// The focused element may disappear: a dialog closes, a button is removed. The focus then returns to where it was before, else to the title
// of the card or page that it was in, and never to the top of the document.
const trail = [];
const shows = element => element.isConnected && !element.disabled && element.getClientRects().length > 0;
const titleOf = part => part?.isConnected ? part.querySelector("h1, h3 a") : null;

document.addEventListener("focusin", ({ target }) => {
  if (trail.at(-1)?.element === target) return;
  trail.push({ element: target, part: target.closest("article, .page-header") });
  if (trail.length > 8) trail.shift();
});

// A click outside every element moved the focus away on purpose.
document.addEventListener("focusout", ({ target, relatedTarget }) => {
  if (!relatedTarget) setTimeout(() => { if (target.isConnected && document.activeElement === document.body && document.hasFocus()) trail.length = 0; });
});

new MutationObserver(() => {
  if (document.activeElement !== document.body || !trail.length || trail.at(-1).element.isConnected) return;
  for (let last; (last = trail.pop());) {
    const next = shows(last.element) ? last.element : titleOf(last.part);
    if (next) return next.focus({ preventScroll: true });
  }
  document.querySelector("main h1")?.focus({ preventScroll: true });
}).observe(document.body, { childList: true, subtree: true });
