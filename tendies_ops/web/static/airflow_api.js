// Airflow's own REST API, called with the rights of the user who is logged in.
export const airflow = document.body.dataset.airflow;
const root = document.body.dataset.root;

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
  if (status === 409) return "Someone else has answered in the meantime. Reload this page.";
  return `Airflow answered ${status}: ${detail}`;
}

export const pause = (seconds) => new Promise((wake) => setTimeout(wake, 1000 * seconds));

export async function isPaused(dagId) {
  return (await call("GET", `dags/${encodeURIComponent(dagId)}`)).is_paused;
}

export function unpause(dagId) {
  return call("PATCH", `dags/${encodeURIComponent(dagId)}?update_mask=is_paused`, { is_paused: false });
}

export function runPath(dagId, runId) {
  return `dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(runId)}`;
}

export function runAddress(dagId, runId) {
  return `${airflow}/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`;
}

// What came of an action, next to its buttons. The links are written once, so that a focused one keeps its focus.
export function say(form, kind, words, links = []) {
  const note = form.querySelector("[data-outcome]");
  note.hidden = false;
  note.className = `note ${kind}`;
  const text = note.querySelector("span") || note.appendChild(document.createElement("span"));
  if (text.textContent !== words) text.textContent = words;
  for (const [href, label, inAirflow] of links) {
    if ([...note.querySelectorAll("a")].some((link) => link.getAttribute("href") === href)) continue;
    const link = document.createElement("a");
    link.href = href;
    link.textContent = label;
    if (inAirflow) link.dataset.airflow = "";
    note.append(link);
  }
}

const STEPS = { export: "exporting the checkpoint", review: "comparing with the version in service", approve: "waiting for approval", release: "swapping the version in", roll_back: "rolling back", infer: "processing pictures" };

async function tasksOf(dagId, runId) {
  return (await call("GET", `${runPath(dagId, runId)}/taskInstances?limit=100`)).task_instances;
}

// A run as text: the step it is at, or how it ended. The reason of a failure is in the model's history.
async function describe(dagId, run) {
  if (run.state === "queued") return await isPaused(dagId) ? "It waits: its Dag is paused. Unpause it in Airflow." : "Queued.";
  const tasks = await tasksOf(dagId, run.dag_run_id);
  const at = tasks.find((task) => ["running", "awaiting_input", "deferred", "up_for_retry", "queued", "scheduled"].includes(task.state));
  if (run.state === "running") return at ? `Now: ${STEPS[at.task_id] || at.task_id}${at.state === "up_for_retry" ? ", to be retried" : ""}.` : "Running.";
  if (run.state === "failed") return `It failed${tasks.find((task) => task.state === "failed") ? ` while ${STEPS[tasks.find((task) => task.state === "failed").task_id] || "running"}` : ""}.${await reasonOf(dagId)}`;
  const ends = await Promise.all(tasks.filter((task) => ["release", "roll_back"].includes(task.task_id) && task.state === "success").map((task) => versionOf(dagId, run.dag_run_id, task.task_id)));
  return ends.find(Boolean) ? `Done: version ${ends.find(Boolean)} serves.` : "Done.";
}

async function versionOf(dagId, runId, taskId) {
  try { return (await call("GET", `${runPath(dagId, runId)}/taskInstances/${taskId}/xcomEntries/return_value?deserialize=true`)).value.version; } catch { return 0; }
}

async function reasonOf(dagId) {
  const model = dagId.replace(/^tendies_(release|rollback)_/, "");
  if (model === dagId) return "";
  const answer = await fetch(`${root}/models/${encodeURIComponent(model)}/live?part=history`, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const newest = page.querySelector(".history li");
  return newest && /failed|withdrawn/.test(newest.querySelector("strong").textContent) ? ` ${newest.querySelector("p.break:last-child").textContent}` : "";
}

// Shows a Dag run until it has ended, or until no one looks any more; returns how it ended.
export async function follow(form, dagId, runId, stillWatched = () => true) {
  const links = [[runAddress(dagId, runId), "Dag run", true]];
  if (dagId.includes("tendies_batch_")) links.push([`${root}/airflow/run?` + new URLSearchParams({ dag_id: dagId, run_id: runId }), "Watch the pictures"]);
  for (;;) {
    const run = await call("GET", runPath(dagId, runId));
    say(form, run.state === "failed" ? "bad" : "", await describe(dagId, run), links);
    if (["success", "failed"].includes(run.state) || !stillWatched()) return run.state;
    await pause(2);
  }
}
