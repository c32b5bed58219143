// Choose a range of a calendar: Shift and a click, or Shift and Enter, on its first and its last partition.
const calendar = document.querySelector("[data-calendar]");
const cells = calendar ? [...calendar.querySelectorAll("[data-key]")] : [];
let chosen = [];

function show() {
  const [first, last] = [Math.min(...chosen), Math.max(...chosen)];
  cells.forEach((cell, at) => cell.classList.toggle("chosen", at >= first && at <= last));
  for (const [name, at] of [["first", first], ["last", last]]) {
    for (const field of document.querySelectorAll(`input[data-conf=${name}]`)) field.value = cells[at].dataset.key;
  }
  const count = last - first + 1;
  document.querySelector("[data-chosen]").textContent =
    `${count} partition${count === 1 ? "" : "s"} chosen, ${cells[first].dataset.key} to ${cells[last].dataset.key}.`;
}

calendar?.addEventListener("click", (event) => {
  const at = cells.indexOf(event.target.closest("[data-key]"));
  if (!event.shiftKey || at < 0 || !document.querySelector("[data-chosen]")) return;
  event.preventDefault();
  chosen = chosen.length === 1 ? [chosen[0], at] : [at];
  show();
});
