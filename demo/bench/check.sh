#!/usr/bin/env bash
# What must hold in this module: every row honest, every liar caught, the whole report runs, and nobody is signed out under
# load. Needs wrk (apt install wrk) and TOKENKEEP_POSTGRES; TOKENKEEP_REDIS adds its rows. About three minutes.
set -euo pipefail
cd "$(dirname "$0")"

[ -n "${TOKENKEEP_POSTGRES:-}" ] || { echo 'TOKENKEEP_POSTGRES names no server'; exit 1; }
command -v wrk >/dev/null || { echo 'wrk is missing: apt install wrk'; exit 1; }
go vet ./...
go test ./...
go run ./cmd/report -quick
go run ./cmd/load -short
