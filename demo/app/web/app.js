// The page works without scripts: they show in place what its forms and links would otherwise open.
"use strict";
document.documentElement.classList.add("js");

const at = (id) => document.getElementById(id);
const tabs = new BroadcastChannel("session"); // other tabs, and pop-ups
const shownHeaders = ["content-type", "www-authenticate", "cache-control", "vary", "retry-after"];

// look asks how the session is now; whoever wants to know adds a function to onLook.
const onLook = [];
let state = null;
async function look() {
  const answer = await fetch("/state", { cache: "no-store" });
  if (!answer.ok) return;
  const before = state;
  state = await answer.json();
  const here = at("session") ? at("session").dataset.record : "";
  if ((state.record || "") !== here) return location.reload(); // signed in or out meanwhile
  for (const f of onLook) f(state, before);
}

let command = "";
async function call(path, method = "GET") {
  const answer = await fetch(path, { method, cache: "no-store", headers: { Accept: "application/json" } });
  const body = await answer.text();
  const lines = [method + " " + path + " HTTP/1.1", "Host: " + location.host, "Accept: application/json"];
  if (state && state.signedIn) lines.push("Cookie: session=…  (scripts cannot read it)");
  lines.push("", "HTTP/1.1 " + answer.status + " " + answer.statusText);
  for (const name of shownHeaders) {
    if (answer.headers.has(name)) lines.push(name + ": " + answer.headers.get(name));
  }
  if (body) lines.push("", body.trim());
  at("exchange").textContent = lines.join("\n");
  const cookie = state && state.signedIn ? " -H 'Cookie: session=…'" : "";
  command = "curl -i" + (method === "GET" ? "" : " -X " + method) + " -H 'Accept: application/json'" + cookie + " " + location.origin + path;
  at("copy").hidden = false;
  return answer.status;
}

function act(form, work) {
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    const button = e.submitter || form.querySelector("button");
    button.disabled = true;
    const before = state;
    const slow = setTimeout(() => say("Under way …"), 1000);
    try {
      const text = await work(form);
      await look();
      const refreshed = before && state && before.signedIn && state.signedIn ? state.generation - before.generation : 0;
      say(text + (refreshed > 0 ? " The token had expired: it was refreshed on the way." : ""));
    } catch {
      say("The app does not answer. Is the demo still running?");
    }
    clearTimeout(slow);
    button.disabled = false;
  });
}

function say(text) { at("verdict").textContent = text; }

for (const form of document.querySelectorAll("[data-call]")) {
  act(form, async () => "The API answered " + (await call(form.dataset.call)) + ".");
}
for (const form of document.querySelectorAll("[data-expire]")) {
  act(form, async () => {
    const status = await call("/expire", "POST");
    return status === 204 ? "The token has expired, here and at the provider. Now call the API." : "That did not work: " + status + ".";
  });
}
at("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(command);
    at("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(at("exchange"));
  }
  setTimeout(() => { at("copy").textContent = "Copy as curl"; }, 1500);
});
for (const link of document.querySelectorAll("[data-popup]")) {
  link.addEventListener("click", (e) => {
    if (window.open(link.href, "sign-in", "popup,width=460,height=640")) e.preventDefault();
  });
}
if (matchMedia("(max-width: 46rem)").matches) {
  for (const d of document.querySelectorAll("details.code")) d.open = false;
}
tabs.addEventListener("message", () => look().catch(() => {}));
addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) look().catch(() => {}); });
addEventListener("load", () => look().then(() => tabs.postMessage(state && state.signedIn), () => {}));
