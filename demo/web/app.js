// The page works without this file: it shows in place what the forms and links would otherwise open.
"use strict";
document.documentElement.classList.add("js");

const at = (id) => document.getElementById(id);
const shown = ["content-type", "www-authenticate", "cache-control", "vary", "retry-after"];
let state = null;

async function look() {
  const answer = await fetch("/state", { cache: "no-store" });
  const next = await answer.json();
  if (state && state.signedIn !== next.signedIn) return location.reload();
  state = next;
  if (!state.signedIn) return;
  at("generation").textContent = state.generation;
  at("requests").textContent = state.tokenRequests;
  at("scopes").textContent = state.scopes;
  tick();
}

function tick() {
  if (!state || !state.signedIn) return;
  const left = (Date.parse(state.expiry) - Date.now()) / 1000;
  const over = state.expired || left <= 0;
  at("life").classList.toggle("over", over);
  at("left").textContent = over ? "expired" : "valid for " + duration(left);
  at("bar").value = over ? 0 : Math.min(1, left / Math.max(1, state.lifetime));
}

function duration(seconds) {
  const h = Math.floor(seconds / 3600), m = Math.floor(seconds / 60) % 60, s = Math.floor(seconds) % 60;
  if (h > 0) return h + " h " + m + " min";
  return m > 0 ? m + " min " + s + " s" : s + " s";
}

async function call(path, method = "GET") {
  const answer = await fetch(path, { method, cache: "no-store", headers: { Accept: "application/json" } });
  const body = await answer.text();
  const lines = [method + " " + path + " HTTP/1.1", "Host: " + location.host, "Accept: application/json"];
  if (state && state.signedIn) lines.push("Cookie: session=…  (scripts cannot read it)");
  lines.push("", "HTTP/1.1 " + answer.status + " " + answer.statusText);
  for (const name of shown) {
    if (answer.headers.has(name)) lines.push(name + ": " + answer.headers.get(name));
  }
  if (body) lines.push("", body.trim());
  at("exchange").textContent = lines.join("\n");
  return answer.status;
}

async function counted(work) {
  const before = state;
  const text = await work();
  await look();
  let more = "";
  if (before && state && before.signedIn && state.signedIn) {
    const refreshes = state.generation - before.generation, requests = state.tokenRequests - before.tokenRequests;
    if (refreshes > 0) more = " The token had expired and was refreshed on the way: " + requests + " token request" + (requests === 1 ? "." : "s.");
  }
  at("verdict").textContent = text + more;
}

async function storm(n) {
  const answers = await Promise.all(Array.from({ length: n }, () => fetch("/api/me", { cache: "no-store" })));
  const good = answers.filter((a) => a.status === 200).length;
  await call("/api/me");
  return n + " calls at once, " + good + " answered 200.";
}

function act(element, event, work) {
  element.addEventListener(event, async (e) => {
    e.preventDefault();
    const button = element.querySelector("button");
    if (button) button.disabled = true;
    try {
      await counted(work);
    } catch {
      at("verdict").textContent = "The app does not answer. Is the demo still running?";
    }
    if (button) button.disabled = false;
  });
}

for (const e of document.querySelectorAll("[data-call]")) {
  act(e, e.tagName === "FORM" ? "submit" : "click", async () => "The API answered " + (await call(e.dataset.call)) + ".");
}
for (const e of document.querySelectorAll("[data-expire]")) {
  act(e, "submit", async () => {
    const status = await call("/expire", "POST");
    return status === 204 ? "The token has expired, here and at the provider. Now call the API." : "That did not work: " + status + ".";
  });
}
for (const e of document.querySelectorAll("[data-storm]")) act(e, "submit", () => storm(Number(e.dataset.storm)));

look().catch(() => {});
setInterval(tick, 1000);
