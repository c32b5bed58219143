// Before and after: one picture over the other, and a slider that is an ordinary range input (mouse, touch, arrow keys).
export function prepare(root) {
  for (const figure of root.querySelectorAll(".compare:not(.slider)")) {
    const stage = figure.querySelector(".stage");
    const range = stage.querySelector("input");
    if (!range || stage.querySelectorAll("img").length !== 2) continue;
    const move = () => stage.style.setProperty("--at", `${range.value}%`);
    range.addEventListener("input", move);
    figure.classList.add("slider");
    const before = stage.querySelector(".before");
    const sharpen = () => figure.classList.toggle("pixels", before.naturalWidth > 0 && before.naturalWidth <= 128);
    before.complete ? sharpen() : before.addEventListener("load", sharpen);
    move();
  }
}

prepare(document);

for (const button of document.querySelectorAll("[data-zoom]")) {
  button.addEventListener("click", () => {
    const zoomed = document.getElementById(button.dataset.zoom).classList.toggle("zoomed");
    button.setAttribute("aria-pressed", String(zoomed));
  });
}

// A picture that cannot be shown gives way to the text behind it; some have failed before this script ran.
const removeBroken = (image) => { if (image.closest(".tile, .single")) image.remove(); };
document.addEventListener("error", (event) => {
  if (event.target instanceof HTMLImageElement) removeBroken(event.target);
}, true);
for (const image of document.images) {
  if (image.complete && image.currentSrc && image.naturalWidth === 0) removeBroken(image);
}

// Arrow keys and j/k walk through a gallery, unless a field or the slider has the keys.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  const rel = { ArrowLeft: "prev", k: "prev", ArrowRight: "next", j: "next", Escape: "up" }[event.key];
  const link = rel && document.querySelector(`a[rel~="${rel}"]`);
  if (link) link.click();
});
