// A storm as it runs: one lane for the provider, one for each replica, a line for each call.
"use strict";
(() => {
  const svg = "http://www.w3.org/2000/svg";
  const left = 74, right = 12, top = 34, gap = 12;
  let width = 640, run = null;

  const make = (name, attributes, parent) => {
    const e = document.createElementNS(svg, name);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (parent) parent.append(e);
    return e;
  };

  function begin(order) {
    const sky = at("sky"), perLane = Math.ceil(order.calls / order.replicas);
    at("drawing").hidden = false;
    at("calm").hidden = true;
    width = Math.max(280, sky.parentElement.clientWidth);
    const room = Math.max(18, Math.min(perLane * 5, Math.floor((width > 500 ? 420 : 300) / order.replicas)));
    const height = top + 26 + order.replicas * (room + gap) + 16;
    sky.replaceChildren();
    sky.setAttribute("viewBox", "0 0 " + width + " " + height);
    run = { order, room, row: room / perLane, calls: [], asked: [], marks: [], ready: {}, began: performance.now(), over: null, sky };
    label("provider", top + 3);
    for (let i = 0; i < order.replicas; i++) {
      const y = laneTop(i + 1);
      make("rect", { x: left, y: y - 3, width: width - left - right, height: room + 6, rx: 4, class: "lane" }, sky);
      label("replica " + (i + 1), y + room / 2 + 4);
    }
    make("rect", { x: left, y: top - 12, width: width - left - right, height: 20, rx: 4, class: "lane" }, sky);
    run.ticks = make("g", { class: "ticks" }, sky);
    requestAnimationFrame(frame);
  }

  const label = (text, y) => { make("text", { x: 0, y, class: "name" }, run.sky).textContent = text; };
  const laneTop = (replica) => top + 26 + (replica - 1) * (run.room + gap);
  const now = () => run.over ? run.over.took + 40 : performance.now() - run.began;

  function draw() {
    const span = Math.max(800, now() * 1.04);
    const x = (ms) => left + Math.max(0, ms) / span * (width - left - right);
    for (const c of run.calls) {
      c.e.setAttribute("x", x(c.at));
      c.e.setAttribute("width", Math.max(1.5, x(c.end ?? now()) - x(c.at)));
      if (!c.tail) continue;
      const from = Math.min(x(c.end) - 2, Math.max(x(c.at), x(run.ready[c.replica] ?? c.at)));
      c.tail.setAttribute("x", from);
      c.tail.setAttribute("width", x(c.end) - from);
    }
    for (const a of run.asked) {
      a.e.setAttribute("x", x(a.at));
      a.e.setAttribute("width", Math.max(3, x(a.end ?? now()) - x(a.at)));
    }
    for (const m of run.marks) m.e.setAttribute("x", x(m.at) - 1);
    run.ticks.replaceChildren();
    const step = [200, 500, 1000, 2000, 5000, 10000, 20000].find((s) => span / s * 60 < width - left) || 30000;
    for (let t = 0; t < span; t += step) {
      make("text", { x: x(t), y: 12 }, run.ticks).textContent = t >= 1000 || t === 0 ? t / 1000 + " s" : t + " ms";
    }
  }

  function frame() {
    if (!run) return;
    draw();
    if (!run.over) requestAnimationFrame(frame);
  }

  const on = {
    sent(l) {
      const row = Math.floor((l.call - 1) / run.order.replicas);
      const e = make("rect", { y: laneTop(l.replica) + row * run.row, height: Math.max(1, run.row - 1), class: "call" }, run.sky);
      run.calls[l.call - 1] = { at: l.at, replica: l.replica, e };
    },
    done(l) {
      const c = run.calls[l.call - 1];
      c.end = l.at;
      c.e.classList.add(l.status === 200 ? "good" : "bad");
      c.tail = make("rect", { y: c.e.getAttribute("y"), height: c.e.getAttribute("height"), class: l.status === 200 ? "tail good" : "tail bad" }, run.sky);
    },
    asked(l) {
      const n = run.asked.length;
      const e = make("rect", { y: top - 9 + (n % 4) * 3.5, height: n ? 3 : 14, rx: 2, class: "token" }, run.sky);
      if (n === 1) { run.asked[0].e.setAttribute("height", 3); }
      run.asked.push({ at: l.at, replica: l.replica, e });
    },
    answered(l) {
      const a = run.asked.find((a) => a.replica === l.replica && a.end === undefined);
      if (!a) return;
      a.end = l.at;
      if (l.outcome !== "200") a.e.classList.add("bad");
    },
    killed(l) { mark(l, "killed"); run.killed = l.replica; },
    refreshed(l) { mark(l, "refreshed"); run.ready[l.replica] ??= l.at; },
    adopted(l) { run.ready[l.replica] ??= l.at; },
    over(l) { run.over = l; },
  };

  function mark(l, kind) {
    const e = make("rect", { y: laneTop(l.replica) - 3, width: 2.5, height: run.room + 6, class: kind }, run.sky);
    run.marks.push({ at: l.at, e });
  }

  function verdict(o) {
    const good = o.good || 0, calls = run.order.calls, requests = o.tokenRequests || 0;
    const still = o.after === 200 ? "still signed in" : o.after === 401 ? "signed out" : "kept waiting";
    return good + " of " + calls + " calls answered 200 in " + (o.took / 1000).toFixed(1) + " s. " +
      requests + " token request" + (requests === 1 ? "" : "s") + ". " + "The user is " + still + "." +
      (run.killed && o.after === 200 ? " Replica " + run.killed + "'s callers lost their connections; another took over when its lease was over." : "");
  }

  async function read(answer) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "", failed = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return failed;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const text of lines) {
        const l = JSON.parse(text);
        if (l.kind === "begun") run.began = performance.now();
        if (l.kind === "failed") failed = l.text;
        if (on[l.kind]) on[l.kind](l);
      }
    }
  }

  at("storm").querySelector("button").disabled = false;
  at("storm").addEventListener("submit", async (e) => {
    e.preventDefault();
    const form = e.target, button = form.querySelector("button"), out = at("outcome");
    const order = new FormData(form);
    button.disabled = true;
    out.className = "outcome";
    out.textContent = "Under way …";
    try {
      const answer = await fetch("/storm", { method: "POST", body: new URLSearchParams(order) });
      if (!answer.ok) throw new Error((await answer.json()).error_description);
      begin({ calls: Number(order.get("calls")), replicas: Number(order.get("replicas")) });
      const failed = await read(answer);
      if (!run.over) throw new Error(failed || "The storm broke off.");
      draw();
      out.textContent = verdict(run.over);
      out.classList.add(run.over.after === 200 && (run.killed || run.over.good === run.order.calls && run.over.tokenRequests === 1) ? "good" : "bad");
    } catch (err) {
      out.textContent = err.message;
      out.classList.add("bad");
    }
    button.disabled = false;
  });
})();
