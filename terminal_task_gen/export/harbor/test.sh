#!/bin/bash
# Runs the task's tests with the machine's own pytest, no network needed, and writes reward.txt, reward.json and ctrf.json
# to /logs/verifier. The reward is the sum of the weights of the tests that passed. First argument: where else to write.
logs=${1:-/logs/verifier}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
mkdir -p "$logs"
cp "$here/entry.py" "$here/runner.py" "$here/score.py" "$here/weights.json" "$here/test_outputs.py" "$work/"
cd /app || exit 1
digest=$(sha256sum < "$work/test_outputs.py" | cut -d ' ' -f 1)
timeout -k 10 "$(cat "$here/timeout_sec")" python3 -I -B "$work/entry.py" "$work" 0 "$digest" \
    < "$work/test_outputs.py" > "$work/results.jsonl"
python3 -I -B "$work/score.py" "$work" "$logs"
passed=$?
rm -rf "$work"
exit "$passed"
