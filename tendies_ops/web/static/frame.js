// Inside Airflow's frame: wear its theme, and open its own pages in it rather than in the frame.
const outer = window.parent === window ? null : window.parent;
const own = document.documentElement;
const COLOURS = ["bg", "bg-subtle", "bg-muted", "bg-emphasized", "fg", "fg-muted", "border", "border-emphasized", "brand-solid", "brand-subtle", "brand-focus-ring"];

// Airflow's colours are variables of its own document, which do not cross a frame. An administrator's theme may change them.
function wearTheme() {
  const theirs = outer.document.documentElement;
  own.classList.toggle("dark", theirs.classList.contains("dark"));
  const style = outer.getComputedStyle(theirs);
  for (const name of COLOURS.map((colour) => `--chakra-colors-${colour}`)) {
    const value = style.getPropertyValue(name).trim();
    value ? own.style.setProperty(name, value) : own.style.removeProperty(name);
  }
}

function wearSystemTheme() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const wear = () => own.classList.toggle("dark", dark.matches);
  dark.addEventListener("change", wear);
  wear();
}

function openInAirflow(event) {
  const link = event.target.closest("a[data-airflow]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  outer.history.pushState({}, "", link.getAttribute("href"));
  outer.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
}

try {
  if (!outer) throw new Error("not framed");
  wearTheme();
  new MutationObserver(wearTheme).observe(outer.document.documentElement, { attributeFilter: ["class", "style"] });
  document.addEventListener("click", openInAirflow);
} catch { wearSystemTheme(); }
