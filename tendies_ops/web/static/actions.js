// Actions: ask, then call Airflow's own API with the rights of whoever is logged in, then show what came of it.
import { prepare } from "./compare.js";

const airflow = document.body.dataset.airflow;

function values(form) {
  const conf = {};
  for (const field of form.querySelectorAll("[data-conf]")) {
    if (field.type === "radio" && !field.checked) continue;
    if (field.type === "checkbox") { conf[field.dataset.conf] = field.checked; continue; }
    if (field.value === "") continue;
    conf[field.dataset.conf] = field.dataset.kind === "integer" ? Number(field.value) : field.value;
  }
  return conf;
}

async function call(method, path, body) {
  const answer = await fetch(`${airflow}/api/v2/${path}`, {
    method, credentials: "same-origin",
    headers: { Accept: "application/json", ...(body ? { "Content-Type": "application/json" } : {}) },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  let found = {};
  try { found = JSON.parse(text); } catch { found = { detail: text.slice(0, 300) }; }
  if (!answer.ok) throw new Error(explain(answer.status, found));
  return found;
}

function explain(status, found) {
  const detail = typeof found.detail === "string" ? found.detail : JSON.stringify(found.detail ?? found).slice(0, 300);
  if (status === 401) return "You are not logged in any more. Log in again and repeat.";
  if (status === 403) return "Airflow does not allow you to do this. Ask someone with the right role.";
  return `Airflow answered ${status}: ${detail}`;
}

function say(form, kind, words, href, linkWords) {
  const note = form.querySelector("[data-outcome]");
  note.hidden = false;
  note.className = `note ${kind}`;
  note.textContent = words + (href ? " " : "");
  if (href) addLink(form, href, linkWords).dataset.airflow = "";
}

function addLink(form, href, words) {
  const link = document.createElement("a");
  link.href = href;
  link.textContent = words;
  form.querySelector("[data-outcome]").append(" ", link);
  return link;
}

async function isPaused(dagId) {
  return (await call("GET", `dags/${encodeURIComponent(dagId)}`)).is_paused;
}

// An asset event needs Airflow's right to operate. It names no DAG run: the first one after it is ours.
async function postEvent(form, action) {
  if (await isPaused(action.dag_id)) throw new Error(`The DAG ${action.dag_id} is paused, so nothing would happen. Unpause it first.`);
  const listed = await call("GET", `assets?limit=100&uri_pattern=${encodeURIComponent(action.asset_uri)}`);
  const asset = listed.assets.find((one) => one.uri === action.asset_uri);
  if (!asset) throw new Error(`Airflow does not know the asset ${action.asset_uri}. Is the DAG ${action.dag_id} there?`);
  const event = await call("POST", "assets/events", { asset_id: asset.id, extra: values(form) });
  say(form, "", "Airflow has taken it. The DAG run starts in a moment …");
  const since = new URLSearchParams({ limit: "1", order_by: "-run_after", run_after_gte: event.timestamp });
  for (let tries = 0; tries < 60; tries += 1) {
    const found = await call("GET", `dags/${encodeURIComponent(action.dag_id)}/dagRuns?${since}`);
    if (found.dag_runs.length) return found.dag_runs[0].dag_run_id;
    await new Promise((wake) => setTimeout(wake, 1000));
  }
  throw new Error(`No run of ${action.dag_id} has started within a minute. Look at the scheduler.`);
}

async function follow(form, dagId, runId) {
  const href = `${airflow}/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`;
  const path = `dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(runId)}`;
  for (;;) {
    const run = await call("GET", path);
    const kind = run.state === "failed" ? "bad" : "";
    const waits = run.state === "queued" && await isPaused(dagId) ? " Its DAG is paused: it waits until someone unpauses it." : "";
    say(form, kind, `DAG run ${runId} is ${run.state}.${waits}`, href, "Open it in Airflow");
    if (dagId.startsWith("tendies_batch_")) addLink(form, `${document.body.dataset.root}/airflow/run?` + new URLSearchParams({ dag_id: dagId, run_id: runId }), "Watch the pictures");
    form.closest("dialog").dataset.changed = "yes";
    if (!form.closest("dialog").open || ["success", "failed"].includes(run.state)) return;
    await new Promise((wake) => setTimeout(wake, 2000));
  }
}

async function act(form) {
  const action = JSON.parse(form.dataset.action);
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  say(form, "", "Asking Airflow …");
  try {
    if (action.kind === "trigger") {
      const body = { logical_date: null, conf: { ...action.conf, ...values(form) } };
      const run = await call("POST", `dags/${encodeURIComponent(action.dag_id)}/dagRuns`, body);
      await follow(form, action.dag_id, run.dag_run_id);
    } else if (action.kind === "event") {
      await follow(form, action.dag_id, await postEvent(form, action));
    } else if (action.kind === "answer") {
      await call("PATCH", action.path, { chosen_options: [action.option], params_input: {} });
      say(form, "", `${action.option}: noted. The release goes on.`);
    }
  } catch (error) {
    say(form, "bad", error.message);
    button.disabled = false;
  }
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) document.getElementById(opener.dataset.open).showModal();
  const closer = event.target.closest("[data-close]");
  if (closer) closer.closest("dialog").close();
});
// What was done shows on the page behind the dialog.
document.addEventListener("close", (event) => {
  if (event.target.dataset.changed) window.location.reload();
}, true);
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-action]");
  if (!form) return;
  event.preventDefault();
  act(form);
});

// Approvals that wait, asked of Airflow with the person's own rights.
async function showApprovals(place) {
  const dagId = place.dataset.approvals;
  const found = await call("GET", `dags/${encodeURIComponent(dagId)}/dagRuns/~/hitlDetails?response_received=false&state=awaiting_input&limit=20`);
  for (const detail of found.hitl_details) {
    const task = detail.task_instance;
    const path = `dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(task.dag_run_id)}/taskInstances/` +
      `${encodeURIComponent(task.task_id)}/${task.map_index}/hitlDetails`;
    const card = place.querySelector("template").content.firstElementChild.cloneNode(true);
    card.querySelector("[data-subject]").textContent = detail.subject;
    card.querySelector("[data-body]").textContent = detail.body || "";
    const forms = card.querySelector("[data-options]");
    for (const option of detail.options) forms.append(answerForm(path, option));
    place.append(card);
    const name = `${dagId}.${task.dag_run_id}`.replace(/[^A-Za-z0-9_.-]+/g, "_");
    showPictures(card.querySelector("[data-pictures]"), name).catch(() => {});
  }
  place.hidden = found.hitl_details.length === 0;
}

// The candidate's pictures beside those of the version that serves, in front of whoever decides.
async function showPictures(place, name) {
  const url = `${place.dataset.pictures}${encodeURIComponent(name)}`;
  const answer = await fetch(`${url}?part=pictures`, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (!answer.ok) { place.textContent = "The candidate's pictures are not there any more."; return; }
  place.innerHTML = await answer.text();
  prepare(place);
}

function answerForm(path, option) {
  const form = document.createElement("form");
  form.dataset.action = JSON.stringify({ kind: "answer", path, option });
  form.className = "row";
  const button = document.createElement("button");
  button.type = "submit";
  button.textContent = option;
  if (option === "Approve") button.className = "primary";
  const outcome = document.createElement("p");
  outcome.hidden = true;
  outcome.dataset.outcome = "";
  form.append(button, outcome);
  // Asks by a second press: Airflow's frame allows no window.confirm.
  form.addEventListener("submit", (event) => {
    if (form.dataset.armed) return;
    event.preventDefault();
    event.stopPropagation();
    form.dataset.armed = "yes";
    button.textContent = `${option}: press again to confirm`;
    setTimeout(() => { delete form.dataset.armed; button.textContent = option; }, 6000);
  }, true);
  return form;
}

for (const place of document.querySelectorAll("[data-approvals]")) showApprovals(place).catch(() => {});
