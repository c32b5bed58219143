// Actions: ask in a dialog, then call Airflow's own API, then show the Dag run that came of it.
import { call, follow, isPaused, pause, say, unpause } from "./airflow_api.js";

function values(form) {
  const conf = {};
  for (const field of form.querySelectorAll("[data-conf]")) {
    if (field.type === "radio" && !field.checked) continue;
    if (field.type === "checkbox") { conf[field.dataset.conf] = field.checked; continue; }
    if (field.value === "") continue;
    conf[field.dataset.conf] = ["integer", "number"].includes(field.dataset.kind) ? Number(field.value) : field.value;
  }
  return conf;
}

async function trigger(form, action) {
  const body = { logical_date: null, conf: { ...action.conf, ...values(form) } };
  return (await call("POST", `dags/${encodeURIComponent(action.dag_id)}/dagRuns`, body)).dag_run_id;
}

// The request in the asset's state store takes the right to edit assets; the event only names it. An event names no Dag
// run: the first one after it is ours.
async function requestRollback(form, action) {
  const listed = await call("GET", `assets?limit=100&uri_pattern=${encodeURIComponent(action.asset_uri)}`);
  const asset = listed.assets.find((one) => one.uri === action.asset_uri);
  if (!asset) throw new Error(`Airflow does not know the asset ${action.asset_uri}. Is the Dag ${action.dag_id} there?`);
  const name = Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("");
  const request = `assets/${asset.id}/state-store/rollback_request/${name}`;
  await call("PUT", request, { value: { ...values(form), by: action.by } });
  const event = await call("POST", "assets/events", { asset_id: asset.id, extra: { request: name } }).catch(async (error) => {
    await call("DELETE", request).catch(() => {});
    throw error;
  });
  say(form, "", "Airflow has accepted the request and starts the Dag run.");
  const since = new URLSearchParams({ limit: "1", order_by: "-run_after", run_after_gte: event.timestamp });
  for (let tries = 0; tries < 60; tries += 1) {
    const found = await call("GET", `dags/${encodeURIComponent(action.dag_id)}/dagRuns?${since}`);
    if (found.dag_runs.length) return found.dag_runs[0].dag_run_id;
    await pause(1);
  }
  throw new Error(`No run of ${action.dag_id} has started within a minute. Check the scheduler.`);
}

const STARTERS = { trigger, rollback: requestRollback };

// A paused Dag would take the request and do nothing. So the button names, and does, both; Airflow decides who may unpause.
async function offerToUnpause(form) {
  const { dag_id: dagId } = JSON.parse(form.dataset.action);
  const button = form.querySelector("button[type=submit]");
  if (button.dataset.unpauses || !await isPaused(dagId)) return;
  button.dataset.unpauses = "yes";
  button.textContent = `Unpause and ${button.textContent.toLowerCase()}`;
  say(form, "warn", `The Dag ${dagId} is paused, so nothing would happen.`);
}

async function act(form) {
  const action = JSON.parse(form.dataset.action);
  const dialog = form.closest("dialog");
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  try {
    say(form, "", "Asking Airflow.");
    if (await isPaused(action.dag_id)) {
      if (!button.dataset.unpauses) {
        await offerToUnpause(form);
        button.disabled = false;
        return;
      }
      await unpause(action.dag_id);
    }
    const runId = await STARTERS[action.kind](form, action);
    dialog.dataset.changed = "yes";
    await follow(form, action.dag_id, runId, () => dialog.open);
  } catch (error) {
    say(form, "bad", error.message);
    button.disabled = false;
  }
}

function openDialog(dialog) {
  dialog.showModal();
  offerToUnpause(dialog.querySelector("form")).catch(() => {});
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) openDialog(document.getElementById(opener.dataset.open));
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

// Buttons appear when something listens to them: this script runs after all whose buttons there are.
document.documentElement.classList.add("scripted");
// A link to a dialog, such as "Release again" of a failed release, opens it.
const wanted = document.getElementById(`do-${window.location.hash.slice(1)}`);
if (wanted instanceof HTMLDialogElement) openDialog(wanted);
