#!/usr/bin/env bash
# The same payout roots under both lock files.
#
#   tests/e2e/check_roots.sh LEAN_PYTHON [FOLDER]
#
# LEAN_PYTHON is the Python of a venv made from requirements-audit.lock with this project installed; FOLDER is a
# run's, by default build/demo (make demo). Both installs decide every receipt anew; the roots they come to must be
# equal, and those of the report.
set -euo pipefail
cd "$(dirname "$0")/../.."

lean=${1:?"usage: $0 LEAN_PYTHON [FOLDER]"}
folder=${2:-build/demo}
[[ -f $folder/report.json ]] || { echo "$folder is no demonstration: run make demo" >&2; exit 2; }

versions=$(for python in "$lean" .venv/bin/python; do "$python" -I -c 'import numpy; print(numpy.__version__)'; done)
if [[ $(sort -u <<<"$versions" | wc -l) -lt 2 ]]; then
  echo "both installs have numpy $(head -n 1 <<<"$versions"): $lean is not made from requirements-audit.lock" >&2
  exit 2
fi

under_lean=$("$lean" -I tests/e2e/roots.py "$folder")
under_dev=$(.venv/bin/python tests/e2e/roots.py "$folder")
if [[ $under_lean != "$under_dev" ]]; then
  diff <(printf '%s\n' "$under_lean") <(printf '%s\n' "$under_dev") >&2 || true
  echo "the two installs come to different roots" >&2
  exit 1
fi
reported=$("$lean" -I -c '
import json, sys
for one in json.load(open(sys.argv[1]))["receipts"]:
    print(one["payout_root"].removeprefix("0x"))' "$folder/report.json")
if [[ $(sed 's/.* payouts \([0-9a-f]*\) .*/\1/' <<<"$under_lean") != "$reported" ]]; then
  echo "the report names other payout roots than the rules come to" >&2
  exit 1
fi
printf '%s\n%s receipts: the same roots under both lock files\n' "$under_lean" "$(wc -l <<<"$under_lean")"
