package browser

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

const attackPage = `<!doctype html>
<title>sibling</title>
<form action="APP/logout" method="post"><button id="out">Out</button></form>
<script>
const send = (path, mode, method) => fetch("APP" + path, {credentials: "include", mode, method}).then((a) => a.type, () => "blocked");
async function attack() {
  const got = [];
  got.push("state: " + await send("/state", "cors", "GET"));
  got.push("events: " + await send("/events", "cors", "GET"));
  for (const path of ["/logout", "/expire", "/storm"]) got.push(path.slice(1) + ": " + await send(path, "no-cors", "POST"));
  const frame = document.createElement("iframe");
  frame.src = "APP/";
  document.body.append(frame);
  await new Promise((done) => { frame.onload = done; });
  let inside = "empty";
  try { inside = frame.contentDocument.body.textContent || "empty"; } catch { }
  got.push("frame: " + inside);
  return got.join(", ");
}
</script>`
