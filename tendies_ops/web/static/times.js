// Times in the time zone of Airflow's picker, written as Airflow writes them. Without this script they are in UTC.
function zone() {
  try { return JSON.parse(localStorage.getItem("timezone")) || undefined; } catch { return undefined; }
}

function formatter() {
  const parts = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
  try { return new Intl.DateTimeFormat("sv-SE", { ...parts, timeZone: zone() }); }
  catch { return new Intl.DateTimeFormat("sv-SE", parts); }
}

export function localise(root) {
  const format = formatter();
  const { timeZone } = format.resolvedOptions();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    time.textContent = format.format(moment);
    time.title = timeZone;
  }
}

localise(document);
window.addEventListener("storage", (event) => { if (event.key === "timezone") localise(document); });
