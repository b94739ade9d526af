"""Twenty conversations for the parity benchmark: each a list of raw replies, the two that end it not included."""

from __future__ import annotations

import json

from benchmarks.rollout.workload import reply

_LINE = "word number {n} of a line that is long enough to be a line of text; "
_HERE = "cat > doc.txt <<'END'\n" + "".join(f"row {n}\n" for n in range(30)) + "END\n"


def keys(*typed: str, sec: float = 1.0) -> str:
    return reply(typed, duration_sec=sec)


def _raw(**fields: object) -> str:
    return json.dumps({"analysis": "As seen.", "plan": "Go on.", **fields})


CASES: dict[str, list[str]] = {
    "prompt": [keys("pwd\n"), keys("echo one\n", "echo two\n"), keys("cd /tmp\n"), keys("cd -\n")],
    "poll": [keys("echo a\n"), reply(()), keys("", sec=0.5)],
    "long-output": [keys("seq 1 1500\n"), keys("echo on\n")],
    "cut-output": [keys("seq -f 'a row with the number %05g in it' 1 900\n", sec=2.0), keys("echo on\n")],
    "lost-output": [keys("seq 1 20000\n", sec=3.0), keys("echo on\n")],
    "wide-line": [keys(f"for n in 1 2 3 4; do printf '{_LINE.format(n='$n')}'; done; echo\n".replace("$n", "x"))],
    "huge-line": [keys("head -c 300000 /dev/zero | tr '\\0' Z; echo\n", sec=3.0)],
    "exit-codes": [keys("false; echo $?\n"), keys("ls /nowhere\n"), keys("nosuchcommand\n")],
    "clear": [keys("seq 1 20\n"), keys("clear\n"), keys("echo after\n"), keys("seq 1 90; clear; seq 1 5\n")],
    "interrupt": [keys("sleep 600\n"), keys("C-c"), keys("cat\n"), keys("typed\n"), keys("C-d")],
    "keys": [keys("echo first\n"), keys("Up"), keys("Enter"), keys("ech", "Escape"), keys("C-u", "echo x\n")],
    "completion": [keys("touch alpha_file\n"), keys("cat alpha_f"), keys("Tab"), keys("Enter")],
    "semicolon": [keys("for i in 1 2 3; do echo $i;", sec=0.3), keys(" done\n"), keys("C-c")],
    "continuation": [keys("cat <<END\n"), keys("text\n"), keys("END\n"), keys("echo 'open\n"), keys("close'\n")],
    "here-document": [keys(_HERE, sec=2.0), keys("wc doc.txt\n")],
    "full-screen": [keys("seq 1 200 > n; less n\n"), keys("G"), keys("q"), keys("echo back\n")],
    "repl": [keys("python3 -q\n", sec=2.0), keys("6 * 7\n"), keys("C-d"), keys("echo back\n")],
    "unicode": [keys("echo 'é 中 😀 ß'\n"), keys("printf 'a\\tb\\n'\n"), keys("printf '\\033[31mred\\033[0m\\n'\n")],
    "background": [keys("(sleep 1; echo late) &\n", sec=2.0), keys("jobs\n"), keys("wait\n")],
    "slow": [keys("sleep 2; echo slow\n", sec=0.5), keys("", sec=3.0)],
    "reply-errors": [
        "I would rather talk.",
        "{not json}",
        _raw(plan="no commands"),
        _raw(commands="ls"),
        _raw(commands=[{"duration": 1}]),
        _raw(commands=[{"keystrokes": 5}]),
        keys("echo fine\n"),
    ],
    "reply-warnings": [
        f"Here you are:\n```json\n{keys('echo a' + chr(10))}\n```",
        keys("echo b", "echo c\n"),
        _raw(commands=[{"keystrokes": "echo d\n"}]),
        _raw(commands=[{"keystrokes": "echo e\n", "duration": "x", "extra": 1}]),
        json.dumps({"commands": [{"keystrokes": "echo f\n", "duration": 1}], "plan": "p", "analysis": "a"}),
        keys("echo g\n")[:-1],
    ],
}
