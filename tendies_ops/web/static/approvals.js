// Releases that wait for approval: the candidate's pictures, and an answer that goes to Airflow as theirs.
import { call, follow, pause, runAddress, runPath, say } from "./airflow_api.js";
import { prepare } from "./compare.js";

// Airflow fails a task that is answered while its worker is still putting it aside, which takes about a second.
const SETTLED_AFTER_S = 4;

async function showApprovals(place) {
  const dagId = place.dataset.approvals;
  const found = await call("GET", `dags/${encodeURIComponent(dagId)}/dagRuns/~/hitlDetails?response_received=false&state=awaiting_input&limit=20`);
  const wanted = place.dataset.candidate;
  const shown = found.hitl_details.filter((detail) => !wanted || candidateOf(dagId, detail) === wanted);
  for (const detail of shown) place.append(approvalCard(place, dagId, detail));
  place.hidden = shown.length === 0;
}

// The export task names the candidate after its DAG run.
function candidateOf(dagId, detail) {
  return `${dagId}.${detail.task_instance.dag_run_id}`.replace(/[^A-Za-z0-9_.-]+/g, "_");
}

function approvalCard(place, dagId, detail) {
  const card = place.querySelector("template").content.firstElementChild.cloneNode(true);
  const runId = detail.task_instance.dag_run_id;
  card.querySelector("[data-subject]").textContent = detail.subject;
  card.querySelector("[data-run]").href = runAddress(dagId, runId);
  card.querySelector("form").noValidate = true;
  card.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const reason = event.target.elements.reason;
    reason.required = event.submitter.value === "Reject";
    if (reason.reportValidity()) answer(event.target, dagId, detail, event.submitter.value);
  });
  const pictures = card.querySelector("[data-pictures]");
  if (pictures) showPictures(pictures, candidateOf(dagId, detail)).catch(() => {});
  return card;
}

async function showPictures(place, name) {
  const url = `${place.dataset.pictures}${encodeURIComponent(name)}`;
  const answer = await fetch(`${url}?part=pictures`, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (!answer.ok) { place.textContent = "The candidate's pictures are not there any more."; return; }
  place.innerHTML = await answer.text();
  prepare(place);
}

async function answer(form, dagId, detail, option) {
  const task = detail.task_instance;
  const card = form.closest("article");
  const path = `${runPath(dagId, task.dag_run_id)}/taskInstances/${encodeURIComponent(task.task_id)}/${task.map_index}/hitlDetails`;
  const reason = form.elements.reason.value;
  form.querySelectorAll("button, input").forEach((field) => { field.disabled = true; });
  say(form, "", "Asking Airflow.");
  try {
    const waitedS = (Date.now() - Date.parse(detail.created_at)) / 1000;
    await pause(Math.min(Math.max(SETTLED_AFTER_S - waitedS, 0), SETTLED_AFTER_S));
    await call("PATCH", path, { chosen_options: [option], params_input: { reason } });
    card.querySelector("[data-state]").textContent = option === "Approve" ? "Approved" : "Rejected";
    const state = await follow(form, dagId, task.dag_run_id);
    if (state === "success") window.location.reload();
  } catch (error) {
    say(form, "bad", error.message);
    form.querySelectorAll("button, input").forEach((field) => { field.disabled = false; });
  }
}

for (const place of document.querySelectorAll("[data-approvals]")) showApprovals(place).catch(() => {});
