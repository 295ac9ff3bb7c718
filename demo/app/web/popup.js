// The page that opened this window looks again; other tabs do, too.
"use strict";
const tabs = new BroadcastChannel("session");
tabs.postMessage(true);
setTimeout(() => window.close(), 50);
