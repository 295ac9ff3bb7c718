// Waits for the user's decision: the answer to the form comes when it was made.
"use strict";
const form = document.forms[0], waiting = document.getElementById("waiting");
waiting.textContent = "Waiting until you have allowed it there. This page goes on by itself.";
form.querySelector("button").hidden = true;
fetch(form.action, { method: "POST" }).then((answer) => {
  if (answer.ok) location.replace("/");
  else waiting.textContent = "Signing in was refused, or took too long. You can start again.";
}, () => { waiting.textContent = "The app does not answer. Is the demo still running?"; });
