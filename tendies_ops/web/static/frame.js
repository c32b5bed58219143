// Inside Airflow's frame: wear its theme, and open its own pages in it rather than in the frame.
const outer = window.parent === window ? null : window.parent;

function wearTheme() {
  const names = outer.document.documentElement.classList;
  const theme = names.contains("dark") ? "dark" : names.contains("light") ? "light" : "";
  if (theme) document.documentElement.dataset.theme = theme;
}

function openInAirflow(href) {
  outer.history.pushState({}, "", href);
  outer.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
}

if (outer) {
  try {
    wearTheme();
    new MutationObserver(wearTheme).observe(outer.document.documentElement, { attributeFilter: ["class"] });
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-airflow]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      openInAirflow(link.getAttribute("href"));
    });
  } catch { /* framed by another origin: keep the system's theme */ }
}
