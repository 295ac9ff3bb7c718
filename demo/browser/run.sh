#!/usr/bin/env bash
# The demo in headless Chromium, as a user meets it. Installs Chromium if it is missing; fails, never skips.
#   bash demo/browser/run.sh            # the tests
#   bash demo/browser/run.sh FOLDER     # and screenshots of the main views
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  sudo=''; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi

args=()
if [ $# -gt 0 ]; then mkdir -p "$1"; args=(-args -shots "$(cd "$1" && pwd)"); fi
# The timeout ends the tests with their Chromium: it is their child and dies with them.
go vet ./...
go test -count=1 -timeout 230s . "${args[@]}"
