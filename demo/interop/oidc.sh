#!/usr/bin/env bash
# Starts a certified OpenID provider (npm's oidc-provider, pinned by oidc/package-lock.json) on loopback and drives every
# flow of it by our client. Needs node and npm (Debian: nodejs npm) and Go; fails without them. Leaves nothing behind.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

for tool in node npm go; do
	command -v "$tool" >/dev/null || { echo "interop: $tool is missing (Debian: apt-get install nodejs npm)" >&2; exit 1; }
done

work=$(mktemp -d)
server=
finish() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap finish EXIT

cp "$here"/oidc/package.json "$here"/oidc/package-lock.json "$here"/oidc/provider.mjs "$work/"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >"$work/npm.log" 2>&1 ||
	{ echo "interop: npm could not install oidc-provider" >&2; cat "$work/npm.log" >&2; exit 1; }
(cd "$here" && go build -o "$work/oidc" ./oidc)

(cd "$work" && exec node provider.mjs "$work/key.pem") >"$work/out" 2>"$work/log" &
server=$!
for _ in $(seq 150); do
	if grep -q '^ready: ' "$work/out"; then break; fi
	if ! kill -0 "$server" 2>/dev/null; then break; fi
	sleep 0.1
done
ready=$(grep '^ready: ' "$work/out") || { echo "interop: the provider did not start" >&2; cat "$work/log" >&2; exit 1; }

if ! "$work/oidc" -issuer "${ready#ready: }" -key "$work/key.pem"; then
	cat "$work/log" >&2
	exit 1
fi
echo "interop: all of it works"
