// Try without leaving the page: the form is sent as without a script, and the parts of the answer take their places.
import { prepare } from "./compare.js";

const form = document.querySelector("form[data-try]");
const outcome = form?.querySelector("[data-outcome]");
let busy = false;
let again = false;

function show(page, address) {
  for (const id of ["try-result", "try-pictures"]) {
    const part = page.getElementById(id);
    if (part) document.getElementById(id).replaceWith(document.adoptNode(part));
  }
  prepare(document);
  window.history.replaceState(null, "", address);
}

async function send() {
  if (busy) { again = true; return; }
  busy = true;
  outcome.textContent = "Trying.";
  try {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "text/html" }, credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const worked = page.getElementById("try-result");
    const found = worked && page.querySelector("#try-result .note.bad");
    if (worked && !found) show(page, answer.url);
    else if (worked) document.getElementById("try-result").replaceWith(document.adoptNode(worked));
    outcome.textContent = worked ? (found ? "It did not work." : "Done.") : page.querySelector("main p")?.textContent || `The server answered ${answer.status}.`;
  } catch { outcome.textContent = "The server cannot be reached."; }
  busy = false;
  if (again) { again = false; send(); }
}

function count(field) {
  const shown = field.parentElement.querySelector("output");
  if (shown) shown.textContent = Number(Number(field.value).toPrecision(3));
}

form?.addEventListener("submit", (event) => { event.preventDefault(); send(); });
form?.addEventListener("input", (event) => { if (event.target.type === "range") count(event.target); });
// Once there is a result, another value shows at once what it does.
form?.addEventListener("change", (event) => {
  if (event.target.name.startsWith("parameter_") && document.querySelector("#try-result .compare, #try-result .numbers")) send();
});
for (const field of form?.querySelectorAll("input[type=range]") || []) count(field);
