// A picture that was refused because too many are being drawn is asked for again, later and later, three times.
const tries = new WeakMap();

function again(image) {
  const tried = tries.get(image) || 0;
  if (tried >= 3) return;
  tries.set(image, tried + 1);
  setTimeout(() => { image.src = image.getAttribute("src"); }, (3 + 4 * tried + 2 * Math.random()) * 1000);
}

document.addEventListener("error", (event) => {
  if (event.target instanceof HTMLImageElement) again(event.target);
}, true);
for (const image of document.images) {
  if (image.complete && !image.naturalWidth && image.getAttribute("src")) again(image);
}
