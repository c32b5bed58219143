// Parts of a page that are asked for again while something runs. The server decides when to stop.
import { prepare } from "./compare.js";
import { localise } from "./times.js";

async function refresh(part) {
  if (document.hidden) return true;
  const answer = await fetch(part.dataset.refresh, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (answer.status === 401 || answer.status === 403) return false;
  if (!answer.ok) return true;
  const html = await answer.text();
  if (html !== part.lastHtml && !part.contains(document.activeElement)) {
    part.innerHTML = html;
    part.lastHtml = html;
    prepare(part);
    localise(part);
  }
  const goesOn = answer.headers.get("X-Tendies-Live") !== "ended";
  if (!goesOn && part.dataset.whenEnded === "reload") window.location.reload();
  return goesOn;
}

async function keepFresh(part) {
  const pause = () => new Promise((wake) => setTimeout(wake, 1000 * Number(part.dataset.every || 2)));
  let goesOn = true;
  while (goesOn && part.isConnected) {
    await pause();
    try { goesOn = await refresh(part); } catch { /* the server restarts, the laptop sleeps: try again */ }
  }
}

for (const part of document.querySelectorAll("[data-refresh]")) keepFresh(part);
