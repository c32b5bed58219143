// Airflow's own REST API, called with the rights of whoever is logged in.
export const airflow = document.body.dataset.airflow;

export async function call(method, path, body) {
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
  if (status === 409) return "Somebody else has answered meanwhile. Reload this page.";
  return `Airflow answered ${status}: ${detail}`;
}

export const pause = (seconds) => new Promise((wake) => setTimeout(wake, 1000 * seconds));

export async function isPaused(dagId) {
  return (await call("GET", `dags/${encodeURIComponent(dagId)}`)).is_paused;
}

export function runPath(dagId, runId) {
  return `dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(runId)}`;
}

export function runAddress(dagId, runId) {
  return `${airflow}/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`;
}

// What came of an action, beside its buttons.
export function say(form, kind, words) {
  const note = form.querySelector("[data-outcome]");
  note.hidden = false;
  note.className = `note ${kind}`;
  note.textContent = words;
}

export function addLink(form, href, words, inAirflow = false) {
  const link = document.createElement("a");
  link.href = href;
  link.textContent = words;
  if (inAirflow) link.dataset.airflow = "";
  form.querySelector("[data-outcome]").append(" ", link);
}

// Shows a DAG run until it has ended, or until nobody looks any more; returns how it ended.
export async function follow(form, dagId, runId, stillWatched = () => true) {
  for (;;) {
    const run = await call("GET", runPath(dagId, runId));
    const waits = run.state === "queued" && await isPaused(dagId) ? " Its DAG is paused: it waits until someone unpauses it." : "";
    say(form, run.state === "failed" ? "bad" : "", `DAG run ${runId} is ${run.state}.${waits}`);
    addLink(form, runAddress(dagId, runId), "Open it in Airflow", true);
    if (dagId.startsWith("tendies_batch_")) addLink(form, `${document.body.dataset.root}/airflow/run?` + new URLSearchParams({ dag_id: dagId, run_id: runId }), "Watch the pictures");
    if (["success", "failed"].includes(run.state) || !stillWatched()) return run.state;
    await pause(2);
  }
}
