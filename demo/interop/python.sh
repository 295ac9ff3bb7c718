#!/usr/bin/env bash
# Runs the demo and lets Python talk to it: plain requests as the source documents send them, and requests-oauthlib's
# workflows; those that the demo has no client for go to the server beside this script. Needs Debian's
# python3-requests-oauthlib, and fails without it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

python=
for candidate in "${PYTHON:-python3}" /usr/bin/python3; do
	if "$candidate" -c 'import requests_oauthlib' 2>/dev/null; then
		python=$candidate
		break
	fi
done
if [ -z "$python" ]; then
	echo "interop: no python3 with requests_oauthlib: apt-get install python3-requests-oauthlib" >&2
	exit 1
fi

work=$(mktemp -d)
demo=
finish() {
	if [ -n "$demo" ]; then
		kill "$demo" 2>/dev/null || true
		wait "$demo" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap finish EXIT

(cd "$here/../.." && go build -o "$work/demo" ./demo)
(cd "$here" && go build -o "$work/server" ./server)
export SERVER=$work/server
"$work/demo" -addr 127.0.0.1:0 -provider-addr 127.0.0.1:0 >"$work/out" 2>"$work/log" &
demo=$!
for _ in $(seq 100); do
	if grep -q '^ready: ' "$work/out"; then break; fi
	if ! kill -0 "$demo" 2>/dev/null; then break; fi
	sleep 0.1
done
ready=$(grep '^ready: ' "$work/out") || { echo "interop: the demo did not start" >&2; cat "$work/log" >&2; exit 1; }
read -r _ _ APP _ PROVIDER <<<"$ready"
export APP PROVIDER

for script in documents.py workflows.py; do
	# Loopback http is what OAUTHLIB_INSECURE_TRANSPORT is for.
	OAUTHLIB_INSECURE_TRANSPORT=1 no_proxy=127.0.0.1 "$python" -B "$here/$script"
done
echo "interop: all of it works"
