// The session as it lives: bars that run down, and what the keeper does, as the server tells it.
"use strict";

const words = {
  used: () => "checked: the token is good",
  refreshed: (e) => "refreshed: generation " + e.generation,
  failed: (e) => "a refresh failed: " + e.outcome,
  waited: (e) => "waited " + Math.round(e.wait) + " ms for another replica",
  adopted: (e) => "took another one's refresh: generation " + e.generation,
  replayed: () => "sent again, after the provider's 401",
  unsaved: () => "the store did not take it yet",
  uncertain: () => "no answer from the provider: did it count?",
  ended: () => "ended",
  revoked: () => "revoked at the provider",
  hook: () => "OnRefresh failed",
};

function duration(seconds) {
  const d = Math.floor(seconds / 86400), h = Math.floor(seconds / 3600) % 24, m = Math.floor(seconds / 60) % 60, s = Math.floor(seconds) % 60;
  if (d > 0) return d + " d " + h + " h";
  if (h > 0) return h + " h " + m + " min";
  return m > 0 ? m + " min " + s + " s" : s + " s";
}

function bar(id, expiry, since, expired) {
  const box = at(id), left = (Date.parse(expiry) - Date.now()) / 1000;
  const whole = Math.max(1, (Date.parse(expiry) - Date.parse(since)) / 1000);
  const over = expired || left <= 0;
  box.classList.toggle("over", over);
  box.querySelector("output").textContent = over ? "expired" : "valid for " + duration(left);
  box.querySelector("progress").value = over ? 0 : Math.min(1, left / whole);
}

function tick() {
  if (!state || !state.signedIn || !at("access")) return;
  if (state.expiry) bar("access", state.expiry, state.updated, state.expired);
  else at("access").querySelector("output").textContent = "no lifetime told";
  const out = at("refresh").querySelector("output");
  if (state.refreshExpiry) bar("refresh", state.refreshExpiry, state.updated, false);
  else out.textContent = state.refreshable ? "no lifetime told" : "none";
}

function show(e) {
  const list = at("events");
  const item = document.createElement("li");
  const when = document.createElement("time");
  when.textContent = new Date(e.at).toTimeString().slice(0, 8);
  item.className = e.kind;
  item.append(when, " ", (words[e.kind] || (() => e.kind))(e), e.replica ? " · replica " + e.replica : "");
  for (const none of list.querySelectorAll(".none")) none.remove();
  list.prepend(item);
  while (list.children.length > 60) list.lastChild.remove();
}

onLook.push((now) => {
  if (!now.signedIn || !at("generation")) return;
  at("generation").textContent = now.generation;
  at("scopes").textContent = now.scopes;
  at("handle").textContent = now.handle;
  tick();
});

let source = null, asking = 0;
function listen() {
  if (!at("session") || source) return;
  source = new EventSource("/events");
  source.onmessage = (m) => {
    const e = JSON.parse(m.data);
    show(e);
    clearTimeout(asking);
    if (e.kind !== "used") asking = setTimeout(() => look().catch(() => {}), 100);
  };
  // Refused: the session ended between the page and its events, and no event will tell.
  source.onerror = (failed) => {
    if (failed.target.readyState === EventSource.CLOSED) look().catch(() => {});
  };
}
// A hidden page gives its connection back: browsers have six for a host.
document.addEventListener("visibilitychange", () => {
  if (document.hidden && source) {
    source.close();
    source = null;
  } else listen();
});
addEventListener("pagehide", () => { if (source) source.close(); source = null; });
listen();
setInterval(tick, 250);
