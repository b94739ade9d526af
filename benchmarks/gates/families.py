"""Good tasks in any number: families of jobs, each drawn with its own setting, data, rules, formats and wording.

Expected values are worked out here and written into the tests as literals, as authors do it; the solution works them
out again from the files by other code. A sample must pass every gate.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import sqlite3
import tarfile
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise

from benchmarks.gates.sample import SETTINGS, Sample, say

Family = Callable[[random.Random, int], Sample]

PYTHON = "#!/bin/bash\nset -e\ncd /app\nmkdir -p out\npython3 - <<'PY'\n{body}PY\n"
READ_JSON = """import json
from pathlib import Path

OUT = Path("/app/{output}")


def load():
    assert OUT.is_file(), "{output} is missing"
    try:
        return json.loads(OUT.read_text())
    except ValueError as error:
        raise AssertionError(f"{output} is not JSON: {{error}}") from None


"""
READ_LINES = """from pathlib import Path

OUT = Path("/app/{output}")


def lines():
    assert OUT.is_file(), "{output} is missing"
    return OUT.read_text().splitlines()


"""


def make_totals(draw: random.Random, number: int) -> Sample:
    """Sums per group, with rows that do not count."""
    who, item, group, names = SETTINGS[number % len(SETTINGS)]
    field = say(draw, "litres", "kg", "euros", "minutes", "metres")
    rows = [(draw.choice(names), round(draw.uniform(3, 900), 2), draw.random() < 0.2) for _ in range(40)]
    mark = say(draw, "void", "cancelled", "test", "withdrawn")
    sums: dict[str, float] = defaultdict(float)
    for name, value, is_void in rows:
        if not is_void:
            sums[name] += value
    sums = {name: round(value, 2) for name, value in sorted(sums.items())}
    text = f"{group},{field},state\n" + "".join(f"{n},{v},{mark if x else 'ok'}\n" for n, v, x in rows)
    source, output = f"data/{item.replace('-', '_')}s.csv", f"out/{field}_by_{group}.json"
    instruction = " ".join(
        [
            say(
                draw,
                f"{who.capitalize()} wants its {field} settled.",
                f"Accounts at {who} are due tonight, and nobody has added up the {field} yet.",
                f"The auditor of {who} asks what each {group} moved this season.",
            ),
            say(
                draw,
                f"Every {item} is a row of `/app/{source}`.",
                f"`/app/{source}` lists the {item}s one to a row, header first.",
                f"You find one row per {item} in `/app/{source}`.",
            ),
            say(
                draw,
                f"Rows whose state is `{mark}` do not count.",
                f"Leave out whatever is marked `{mark}`.",
                f"A state of `{mark}` means that the row never happened.",
            ),
            say(
                draw,
                f"Write `/app/{output}`: a JSON object from {group} to its sum, two decimals.",
                f"Put the sum of each {group}, rounded to two decimals, as a JSON object into `/app/{output}`.",
                f"The result is a JSON object in `/app/{output}`; keys are the {group}s, values the sums to two decimals.",
            ),
        ]
    )
    tests = READ_JSON.format(output=output) + (
        f"EXPECTED = {sums!r}\n\n\ndef test_every_{group}_is_there():\n"
        f'    assert sorted(load()) == sorted(EXPECTED), "wrong keys"\n\n\n'
        "def test_sums():\n    got = load()\n    for name, want in EXPECTED.items():\n"
        '        assert name in got, f"{name} is missing"\n'
        '        assert abs(got[name] - want) < 0.005, f"{name}: expected {want}, got {got[name]}"\n'
    )
    body = (
        "import csv, json\nfrom collections import defaultdict\nacc = defaultdict(float)\n"
        f'for row in csv.DictReader(open("{source}")):\n    if row["state"] != "{mark}":\n'
        f'        acc[row["{group}"]] += float(row["{field}"])\n'
        f'json.dump({{k: round(v, 2) for k, v in acc.items()}}, open("{output}", "w"))\n'
    )
    return Sample(
        name=f"totals-{number}",
        instruction=instruction,
        files={source: text},
        tests=tests,
        weights={f"test_every_{group}_is_there": 0.2, "test_sums": 0.8},
        solution=PYTHON.format(body=body),
        output=output,
        result=json.dumps(sums),
        answers=tuple((f"the sum of {name}", str(value)) for name, value in sums.items()),
    )


def make_log_report(draw: random.Random, number: int) -> Sample:
    """The busiest names of a log, with ties and damaged lines."""
    who, item, group, names = SETTINGS[(number * 3 + 1) % len(SETTINGS)]
    lines = []
    for n in range(90):
        name, code = draw.choice(names), draw.choice(["OK", "OK", "LATE", "LOST"])
        lines.append(f"{8 + n // 60:02d}:{n % 60:02d} {name.replace(' ', '_')} {item}={draw.randint(100, 999)} {code}")
        if draw.random() < 0.05:
            lines.append(f"{8 + n // 60:02d}:{n % 60:02d} --- restart ---")
    bad = Counter(line.split()[1] for line in lines if line.endswith(("LATE", "LOST")))
    ranking = sorted(bad.items(), key=lambda pair: (-pair[1], pair[0]))
    expected = [f"{name};{count}" for name, count in ranking]
    source, output = f"logs/{group}.log", f"out/{say(draw, 'trouble', 'complaints', 'offenders', 'review')}.txt"
    instruction = " ".join(
        [
            say(
                draw,
                f"Complaints at {who} are piling up.",
                f"The dispatcher of {who} suspects that some {group}s are worse than others.",
                f"Before the yearly review {who} needs to know where things go wrong.",
            ),
            say(
                draw,
                f"`/app/{source}` has a line for each {item}: time, {group}, number, outcome.",
                f"Its log, `/app/{source}`, notes time, {group}, number and outcome of each {item}; restarts in between.",
            ),
            say(
                draw,
                f"Count the {item}s of each {group} that ended `LATE` or `LOST`",
                f"For each {group}, find how many {item}s were `LATE` or `LOST`",
            ),
            say(
                draw,
                f"and write lines of the form `name;count` to `/app/{output}`, highest count first, ties by name.",
                f"and list them in `/app/{output}` as `name;count`, sorted by falling count and then by name.",
            ),
            say(draw, "Lines of any other kind are noise.", "Whatever is no such line is to be passed over."),
        ]
    )
    tests = READ_LINES.format(output=output) + (
        f"WANT = {expected!r}\n\n\ndef test_form():\n    got = lines()\n    assert got, 'the report is empty'\n"
        "    assert all(line.count(';') == 1 for line in got), f'malformed: {got}'\n\n\n"
        "def test_counts():\n    assert sorted(lines()) == sorted(WANT), f'counts differ: {lines()}'\n\n\n"
        "def test_order():\n    assert lines() == WANT, f'wrong order: {lines()}'\n"
    )
    solution = (
        f"#!/bin/bash\nmkdir -p /app/out\ngrep -E '(LATE|LOST)$' /app/{source} | awk '{{n[$2]++}} END {{for (k in n) "
        f"print k\";\"n[k]}}' | sort -t';' -k2,2nr -k1,1 > /app/{output}\n"
    )
    return Sample(
        name=f"log-{number}",
        instruction=instruction,
        files={source: "\n".join(lines) + "\n"},
        tests=tests,
        weights={"test_form": 0.1, "test_counts": 0.6, "test_order": 0.3},
        solution=solution,
        output=output,
        result="\n".join(expected) + "\n",
        answers=tuple((f"{name}'s count", str(count)) for name, count in ranking),
    )


def make_settings(draw: random.Random, number: int) -> Sample:
    """Settings to be made as given: here the instruction rightly holds what the tests expect."""
    who, _, group, names = SETTINGS[(number * 5 + 2) % len(SETTINGS)]
    sections = draw.sample(list(names), 3)
    given = {"max_clients": draw.randint(20_000, 99_999), "timeout_ms": draw.randint(1_000, 9_999)}
    given["token_ttl"] = draw.randint(100_000, 999_999)
    old = {name: {key: draw.randint(1, 99) for key in given} | {"label": f"{group} {name}"} for name in sections}
    target, path = sections[1], f"etc/{group}s.json"
    keys = ", ".join(f"`{key}` to `{value}`" for key, value in given.items())
    instruction = " ".join(
        [
            say(
                draw,
                f"{who.capitalize()} moves one {group} to new hardware.",
                f"A change request for {who} has been approved.",
                f"The limits of one {group} at {who} are too tight since the merger.",
            ),
            say(
                draw,
                f"In `/app/{path}`, for `{target}` only, set {keys}.",
                f"Edit `/app/{path}`: in the section `{target}` change {keys}.",
            ),
            say(
                draw,
                "All else stays as it is, and the file stays valid JSON.",
                "The other sections and fields keep their values.",
            ),
            "Then write the names of all sections, sorted, one a line, to `/app/out/sections.txt`.",
        ]
    )
    wanted = {**old, target: {**old[target], **given}}
    tests = (
        "import json\nfrom pathlib import Path\n\n\ndef test_target():\n"
        f'    got = json.loads(Path("/app/{path}").read_text())\n'
        + "".join(f'    assert got["{target}"]["{k}"] == {v}, f"{k}: {{got}}"\n' for k, v in given.items())
        + f"\n\ndef test_rest():\n    got = json.loads(Path('/app/{path}').read_text())\n"
        f"    assert got == {wanted!r}, f'something else changed: {{got}}'\n\n\n"
        "def test_sections():\n    path = Path('/app/out/sections.txt')\n    assert path.is_file(), 'no list'\n"
        f"    assert path.read_text().split('\\n')[:3] == {sorted(sections)!r}, path.read_text()\n"
    )
    body = (
        f'import json\npath = "{path}"\nconf = json.load(open(path))\nconf["{target}"].update({given!r})\n'
        'json.dump(conf, open(path, "w"), indent=2)\nopen("out/sections.txt", "w").write("\\n".join(sorted(conf)) + "\\n")\n'
    )
    return Sample(
        name=f"settings-{number}",
        instruction=instruction,
        files={path: json.dumps(old, indent=2) + "\n"},
        tests=tests,
        weights={"test_target": 0.5, "test_rest": 0.3, "test_sections": 0.2},
        solution=PYTHON.format(body=body),
        output="out/sections.txt",
        result="\n".join(sorted(sections)) + "\n",
    )


def make_repair(draw: random.Random, number: int) -> Sample:
    """A module with a fault, tried on fresh inputs."""
    who, item, group, _ = SETTINGS[(number * 7 + 3) % len(SETTINGS)]
    step, free = draw.randint(7, 40), draw.randint(2, 9)
    rate, cap = draw.randint(2, 9), draw.randint(60, 99)
    name = f"{say(draw, 'fees', 'tariff', 'charges', 'dues')}.py"
    broken = draw.choice(
        [
            ("min(", "max("),
            ("// STEP", "/ STEP"),
            ("- FREE", "+ FREE"),
            ("-(-(minutes - FREE) // STEP)", "minutes // STEP"),
        ]
    )
    good = (
        f'"""What {who} asks for a {item}."""\n\nSTEP = {step}\nFREE = {free}\nRATE = {rate}\nCAP = {cap}\n\n\n'
        "def charge(minutes):\n    if minutes < 0:\n        raise ValueError(minutes)\n"
        "    if minutes <= FREE:\n        return 0\n"
        "    steps = -(-(minutes - FREE) // STEP)\n    return min(steps * RATE, CAP)\n"
    )
    bad = good.replace(*broken)
    cases = [free, free + 1, free + step, free + step + 1, 10 * step, 400 * step, 0]

    def compute(minutes: int) -> int:
        return 0 if minutes <= free else min(-(-(minutes - free) // step) * rate, cap)

    table = [(minutes, compute(minutes)) for minutes in cases]
    differs = [m for m in cases if _run_charge(bad, m) != compute(m)]
    instruction = " ".join(
        [
            say(
                draw,
                f"Customers of {who} say that they are billed wrongly for a {item}.",
                f"Since last week the bills of {who} are off.",
                f"The {group} office of {who} has stopped trusting its own program.",
            ),
            say(
                draw,
                f"`/app/{name}` holds `charge(minutes)`.",
                f"The function `charge(minutes)` in `/app/{name}` is to blame.",
            ),
            say(
                draw,
                f"By the rules the first `{free}` minutes are free; after them every begun `{step}` minutes cost `{rate}`, "
                f"and nobody pays more than `{cap}`.",
                f"The price list: `{rate}` for every `{step}` minutes begun after the first `{free}`, which are free, "
                f"and never more than `{cap}`.",
            ),
            say(draw, "Negative minutes are a ValueError.", "It raises ValueError for negative minutes."),
            say(draw, "Make it follow the rules.", "Mend it; name and signature stay."),
        ]
    )
    tests = (
        "import importlib.util\nimport subprocess\nfrom pathlib import Path\n\n\ndef load():\n"
        f'    spec = importlib.util.spec_from_file_location("shipped", "/app/{name}")\n'
        "    module = importlib.util.module_from_spec(spec)\n    spec.loader.exec_module(module)\n    return module\n\n\n"
        f"def test_prices():\n    charge = load().charge\n    for minutes, want in {table!r}:\n"
        '        got = charge(minutes)\n        assert got == want, f"{minutes} min: expected {want}, got {got}"\n\n\n'
        f"def test_boundaries():\n    charge = load().charge\n    got = [charge(m) for m in {differs!r}]\n"
        f"    assert got == {[compute(m) for m in differs]!r}, f'at the boundaries: {{got}}'\n"
        "    try:\n        charge(-1)\n    except ValueError:\n        return\n"
        "    raise AssertionError('a negative duration is accepted')\n"
    )
    back = (broken[1], broken[0])
    solution = f"#!/bin/bash\ncat > /app/{name} <<'E'\n{bad.replace(*back)}E\n"
    return Sample(
        name=f"repair-{number}",
        instruction=instruction,
        files={name: bad},
        tests=tests,
        weights={"test_prices": 0.5, "test_boundaries": 0.5},
        solution=solution if bad.replace(*back) == good else f"#!/bin/bash\ncat > /app/{name} <<'E'\n{good}E\n",
        output=name,
        result=good,
    )


def _run_charge(source: str, minutes: int) -> object:
    space: dict[str, Callable[[int], object]] = {}
    exec(source, space)
    return space["charge"](minutes)


def make_program(draw: random.Random, number: int) -> Sample:
    """A program to be written, tried on inputs that the tests make."""
    who, item, group, names = SETTINGS[(number * 11 + 4) % len(SETTINGS)]
    name = f"{say(draw, 'gaps', 'holes', 'idle', 'pauses')}.py"
    least = draw.randint(3, 25)
    spans = [sorted(draw.sample(range(600), 2)) for _ in range(12)]
    instruction = " ".join(
        [
            say(
                draw,
                f"{who.capitalize()} wants to know when nothing was going on.",
                f"When is a {group} of {who} idle? Nobody can tell.",
                f"Planning at {who} goes by gut feeling, because idle time is not recorded.",
            ),
            say(
                draw,
                f"Write `/app/{name}`, called with a file as its only argument.",
                f"The program `/app/{name}` takes one argument, a file.",
            ),
            say(
                draw,
                f"Each line has start and end of a {item} in minutes, `start end`; they overlap and come in any order.",
                f"The file holds a {item} a line as `start end` (whole minutes), overlapping and unsorted.",
            ),
            say(
                draw,
                f"It prints every gap of at least `{least}` minutes between the first start and the last end as `start end`, "
                "sorted; nothing for a file without gaps.",
                f"To standard output go the gaps between them that last `{least}` minutes or longer, as `start end` lines in "
                "order of time.",
            ),
            f"`/app/data/example.txt` is a day of {draw.choice(names)}.",
        ]
    )
    sample_text = "".join(f"{a} {b}\n" for a, b in spans)
    tests = (
        "import subprocess\nimport sys\nfrom pathlib import Path\n\nPROGRAM = Path('/app/" + name + "')\n\n\n"
        "def run(tmp_path, spans):\n    assert PROGRAM.is_file(), 'the program is missing'\n"
        "    source = tmp_path / 'in.txt'\n    source.write_text(''.join(f'{a} {b}\\n' for a, b in spans))\n"
        "    done = subprocess.run(['python3', str(PROGRAM), str(source)], capture_output=True, timeout=20)\n"
        "    assert done.returncode == 0, done.stderr.decode(errors='replace')\n"
        "    return done.stdout.decode(errors='replace').split('\\n')[:-1]\n\n\n"
        f"def test_one_gap(tmp_path):\n    got = run(tmp_path, [(100, 130), ({130 + least}, 400)])\n"
        f"    assert got == ['130 {130 + least}'], f'got {{got}}'\n\n\n"
        f"def test_a_short_gap_does_not_count(tmp_path):\n    spans = [(0, 10), ({10 + least - 1}, 50), ({50 + least + 3}, 90)]\n"
        f"    got = run(tmp_path, spans)\n    assert got == ['50 {50 + least + 3}'], f'got {{got}}'\n\n\n"
        f"def test_overlaps(tmp_path):\n    got = run(tmp_path, [(200, 210), (0, 50), (20, 30), ({50 + least}, 120)])\n"
        f"    want = ['50 {50 + least}'] + (['120 200'] if 80 >= {least} else [])\n    assert got == want, f'got {{got}}'\n"
    )
    program = (
        "import sys\nspans = sorted(tuple(map(int, l.split())) for l in open(sys.argv[1]) if l.strip())\n"
        f"end = None\nfor a, b in spans:\n    if end is not None and a - end >= {least}:\n        print(end, a)\n"
        "    end = b if end is None else max(end, b)\n"
    )
    return Sample(
        name=f"program-{number}",
        instruction=instruction,
        files={"data/example.txt": sample_text},
        tests=tests,
        weights={"test_one_gap": 0.3, "test_a_short_gap_does_not_count": 0.3, "test_overlaps": 0.4},
        solution=f"#!/bin/bash\ncat > /app/{name} <<'E'\n{program}E\npython3 /app/{name} /app/data/example.txt\n",
        output=name,
        result=program,
    )


def make_secret(draw: random.Random, number: int) -> Sample:
    """A token that has to be dug out of the input, where it stands encoded."""
    who, _, group, names = SETTINGS[(number * 13 + 5) % len(SETTINGS)]
    token = f"{say(draw, 'tk', 'key', 'sess', 'api')}_" + "".join(
        draw.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", k=20)
    )
    user = draw.choice(names).replace(" ", "-").lower()
    lines = []
    for n in range(50):
        blob = base64.b64encode(draw.randbytes(18)).decode()
        if n == 31:
            blob = base64.b64encode(f"{user}:{token}".encode()).decode()
        lines.append(
            f"10.0.{n % 7}.{n * 3 % 250} GET /{group}/{draw.randint(10, 99)} auth=Basic {blob} {200 if n == 31 else 401}"
        )
    source, output = say(draw, "logs/proxy.log", "capture/http.txt", "logs/gateway.log"), "out/finding.json"
    instruction = " ".join(
        [
            say(
                draw,
                f"Somebody got into the booking system of {who}.",
                f"{who.capitalize()} has had a break-in; credentials were guessed until one pair worked.",
                f"An attacker tried many credentials against {who}, and at last one was good.",
            ),
            say(
                draw,
                f"The requests are in `/app/{source}`; the last column is the answer of the server.",
                f"`/app/{source}` shows each request with its Authorization header and, last, the status.",
            ),
            say(
                draw,
                f"Find the credentials that worked and write them to `/app/{output}` as an object with `user` and `secret`.",
                f"Report user and secret of the one accepted request in `/app/{output}`, a JSON object with `user` and `secret`.",
            ),
        ]
    )
    tests = READ_JSON.format(output=output) + (
        f'def test_user():\n    assert load().get("user") == "{user}", f"user is {{load()}}"\n\n\n'
        f'def test_secret():\n    assert load().get("secret") == "{token}", f"secret is {{load()}}"\n'
    )
    body = (
        f'import base64, json\nfor line in open("{source}"):\n    parts = line.split()\n    if parts[-1] == "200":\n'
        "        user, secret = base64.b64decode(parts[-2]).decode().split(':', 1)\n"
        f'json.dump({{"user": user, "secret": secret}}, open("{output}", "w"))\n'
    )
    return Sample(
        name=f"secret-{number}",
        instruction=instruction,
        files={source: "\n".join(lines) + "\n"},
        tests=tests,
        weights={"test_user": 0.4, "test_secret": 0.6},
        solution=PYTHON.format(body=body),
        output=output,
        result=json.dumps({"user": user, "secret": token}),
        answers=(("the secret", token),),
    )


def make_statistics(draw: random.Random, number: int) -> Sample:
    """Means and extremes of readings with gaps and a sentinel."""
    who, _, group, names = SETTINGS[(number * 3 + 6) % len(SETTINGS)]
    unit, sentinel = say(draw, "hPa", "degC", "mm", "volts"), draw.choice([-999, -9999, -77])
    series = {
        name.replace(" ", "_"): [
            None if draw.random() < 0.1 else round(draw.gauss(20, 6), 3) for _ in range(draw.randint(18, 30))
        ]
        for name in names[:4]
    }
    lines = [f"# {who}, readings in {unit}"]
    for index in range(max(map(len, series.values()))):
        for name, values in series.items():
            if index < len(values):
                value = values[index]
                lines.append(f"{index * 10}\t{name}\t{sentinel if value is None else value}")
    means = {n: round(sum(g) / len(g), 4) for n, v in series.items() for g in [[x for x in v if x is not None]]}
    peak = max((x, n) for n, v in series.items() for x in v if x is not None)
    source, output = f"data/{unit}.tsv", "out/summary.json"
    instruction = " ".join(
        [
            say(
                draw,
                f"The yearbook of {who} needs a page on {unit}.",
                f"A student measured {unit} at every {group} of {who} and left.",
                f"An insurer questions the {unit} that {who} reports.",
            ),
            say(
                draw,
                f"`/app/{source}` has minute, {group} and reading, parted by tabs; `{sentinel}` means that there was none.",
                f"Readings are in `/app/{source}` (minute, {group}, value, tabs between); a value of `{sentinel}` is a gap.",
            ),
            say(
                draw,
                f"Write `/app/{output}` with two fields: `mean`, an object from {group} to the mean of its readings to four "
                f"decimals, and `highest`, the {group} with the highest single reading.",
                f"`/app/{output}` is to hold `mean` (for each {group} the arithmetic mean, four decimals) and `highest` (where "
                "the largest reading was taken).",
            ),
        ]
    )
    tests = READ_JSON.format(output=output) + (
        f"def test_means():\n    got = load().get('mean', {{}})\n    want = {means!r}\n"
        "    assert set(got) == set(want), f'keys: {sorted(got)}'\n    for name in want:\n"
        '        assert abs(got[name] - want[name]) <= 0.0002, f"{name}: expected {want[name]}, got {got[name]}"\n\n\n'
        f"def test_highest():\n    assert load().get('highest') == {peak[1]!r}, 'wrong place of the highest reading'\n"
    )
    body = (
        f'import json\nfrom statistics import fmean\ndata = {{}}\nfor line in open("{source}"):\n'
        "    if line.startswith('#'):\n        continue\n    _, name, value = line.rstrip().split('\\t')\n"
        f"    if float(value) != {sentinel}:\n        data.setdefault(name, []).append(float(value))\n"
        "best = max(data, key=lambda n: max(data[n]))\n"
        f'json.dump({{"mean": {{n: round(fmean(v), 4) for n, v in data.items()}}, "highest": best}}, open("{output}", "w"))\n'
    )
    return Sample(
        name=f"statistics-{number}",
        instruction=instruction,
        files={source: "\n".join(lines) + "\n"},
        tests=tests,
        weights={"test_means": 0.7, "test_highest": 0.3},
        solution=PYTHON.format(body=body),
        output=output,
        result=json.dumps({"mean": means, "highest": peak[1]}),
        answers=tuple((f"the mean of {name}", str(value)) for name, value in means.items()),
    )


def make_query(draw: random.Random, number: int) -> Sample:
    """A question to a database file."""
    who, item, group, names = SETTINGS[(number * 5 + 7) % len(SETTINGS)]
    table = f"{item.replace('-', '_')}s"
    rows = [(n, draw.choice(names), draw.randint(1, 12), draw.randint(50, 5_000)) for n in range(1, 61)]
    month = draw.randint(1, 12)
    early = [row for row in rows if row[2] <= max(3, month)]
    total = sum(row[3] for row in early)
    per: Counter[str] = Counter()
    for row in early:
        per[row[1]] += row[3]
    best = sorted(per.items(), key=lambda pair: (-pair[1], pair[0]))[0]
    database = _dump_database(table, group, rows)
    path, output = f"db/{table}.sqlite", "out/answer.json"
    last = max(3, month)
    instruction = " ".join(
        [
            say(
                draw,
                f"{who.capitalize()} keeps its {item}s in a database that only one person could query, and he has retired.",
                f"A journalist asks {who} for figures.",
                f"For a grant application {who} has to prove its turnover.",
            ),
            f"`/app/{path}` is an SQLite file with a table `{table}` (id, {group}, month, amount).",
            say(
                draw,
                f"Take the months from January to month `{last}` and write `/app/{output}`:",
                f"Looking at months 1 to `{last}` only, put into `/app/{output}`",
            ),
            say(
                draw,
                f"`total`, the sum of all amounts; `leader`, the {group} with the largest sum (ties: first by name); and "
                "`leader_sum`.",
                f"an object with `total` (all amounts together), `leader` (the {group} that comes to most, by name in a tie) "
                "and `leader_sum` (what that comes to).",
            ),
        ]
    )
    tests = READ_JSON.format(output=output) + (
        f"def test_total():\n    assert load().get('total') == {total}, f'total: {{load()}}'\n\n\n"
        f"def test_leader():\n    got = load()\n    assert got.get('leader') == {best[0]!r}, f'leader: {{got}}'\n"
        f"    assert got.get('leader_sum') == {best[1]}, f'leader_sum: {{got}}'\n"
    )
    body = (
        f'import json, sqlite3\ndb = sqlite3.connect("{path}")\n'
        f'total, = db.execute("select sum(amount) from {table} where month <= {last}").fetchone()\n'
        f'name, best = db.execute("select {group}, sum(amount) s from {table} where month <= {last} group by 1 "\n'
        '    "order by s desc, 1 limit 1").fetchone()\n'
        f'json.dump({{"total": total, "leader": name, "leader_sum": best}}, open("{output}", "w"))\n'
    )
    return Sample(
        name=f"query-{number}",
        instruction=instruction,
        files={path: database},
        tests=tests,
        weights={"test_total": 0.4, "test_leader": 0.6},
        solution=PYTHON.format(body=body),
        output=output,
        result=json.dumps({"total": total, "leader": best[0], "leader_sum": best[1]}),
        answers=(("the total", str(total)), ("the leader's sum", str(best[1]))),
    )


def _dump_database(table: str, group: str, rows: list[tuple[int, str, int, int]]) -> bytes:
    database = sqlite3.connect(":memory:")
    database.execute(f"create table {table} (id integer, {group} text, month integer, amount integer)")
    database.executemany(f"insert into {table} values (?, ?, ?, ?)", rows)
    database.commit()
    content = database.serialize()
    database.close()
    return content


def make_archive(draw: random.Random, number: int) -> Sample:
    """Counting in what is packed."""
    who, item, group, names = SETTINGS[(number * 7 + 8) % len(SETTINGS)]
    word = say(draw, "overdue", "damaged", "urgent", "returned")
    folders = [name.replace(" ", "_") for name in names[:4]]
    texts = {
        f"{folder}/{item}-{n}.txt": "".join(
            f"{draw.choice([word, 'fine', 'pending'])} {draw.randint(100, 999)}\n" for _ in range(draw.randint(3, 9))
        )
        for folder in folders
        for n in range(3)
    }
    counts = {f: sum(t.count(word) for p, t in texts.items() if p.startswith(f"{f}/")) for f in folders}
    codes = sorted(
        int(line.split()[1]) for text in texts.values() for line in text.splitlines() if line.startswith(word)
    )
    source, output = f"backup/{group}s.tar.gz", "out/count.json"
    instruction = " ".join(
        [
            say(
                draw,
                f"All that is left of the old system of {who} is a backup.",
                f"The server of {who} has burnt down, its backup has not.",
                f"Legal wants figures from a snapshot of {who}.",
            ),
            f"`/app/{source}` has a folder for each {group} with a text file for each {item}.",
            say(
                draw,
                f"Lines begin with a state. Write `/app/{output}`: `count`, an object from {group} to the number of its lines "
                f"with state `{word}`, and `checksum`, the sum of the numbers behind that state over all files.",
                f"How often does the state `{word}` begin a line? `/app/{output}` takes `count` ({group} to how often) and "
                "`checksum` (the numbers on these lines, all added up).",
            ),
        ]
    )
    tests = READ_JSON.format(output=output) + (
        f"def test_counts():\n    assert load().get('count') == {counts!r}, f'counts: {{load()}}'\n\n\n"
        f"def test_checksum():\n    assert load().get('checksum') == {sum(codes)}, f'checksum: {{load()}}'\n"
    )
    solution = (
        f"#!/bin/bash\nset -e\ncd /app\nmkdir -p out /tmp/x\ntar xzf {source} -C /tmp/x\npython3 - <<'PY'\n"
        "import json, pathlib\ncount, total = {}, 0\nfor path in pathlib.Path('/tmp/x').glob('*/*.txt'):\n"
        "    for line in path.read_text().splitlines():\n        state, n = line.split()\n"
        "        count.setdefault(path.parent.name, 0)\n"
        f"        if state == '{word}':\n            count[path.parent.name] += 1\n            total += int(n)\n"
        f"json.dump({{'count': count, 'checksum': total}}, open('/app/{output}', 'w'))\nPY\n"
    )
    return Sample(
        name=f"archive-{number}",
        instruction=instruction,
        files={source: _pack(texts)},
        tests=tests,
        weights={"test_counts": 0.6, "test_checksum": 0.4},
        solution=solution,
        output=output,
        result=json.dumps({"count": counts, "checksum": sum(codes)}),
        answers=(("the checksum", str(sum(codes))),),
    )


def _pack(texts: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, text in texts.items():
            info = tarfile.TarInfo(path)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def make_manifest(draw: random.Random, number: int) -> Sample:
    """Which files differ from their digests; digests in sight are no leak."""
    who, item, _, names = SETTINGS[(number * 11 + 9) % len(SETTINGS)]
    texts = {f"store/{item}-{n:02d}.dat": f"{draw.choice(names)} {draw.randint(1000, 9999)}\n" * 3 for n in range(14)}
    changed = sorted(draw.sample(sorted(texts), draw.randint(3, 5)))
    sums = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in texts.items()}
    for path in changed:
        texts[path] = texts[path].replace("1", "7", 1) + ("x\n" if draw.random() < 0.5 else "y\n")
    manifest = "".join(f"{digest}  {path}\n" for path, digest in sums.items())
    output, report = "out/changed.txt", "".join(f"{path}\n" for path in changed)
    check = hashlib.sha256(report.encode()).hexdigest()
    instruction = " ".join(
        [
            say(
                draw,
                f"Bits are rotting in the cellar of {who}.",
                f"A disk of {who} was replaced, and not every file came over whole.",
                f"Somebody has meddled with the records of {who}.",
            ),
            "`/app/MANIFEST` has the SHA-256 sums of `/app/store` as they were, paths relative to `/app`.",
            say(
                draw,
                f"List in `/app/{output}` the files that differ today, a path a line as the manifest writes it, sorted.",
                f"Name the files that are no longer what they were in `/app/{output}`, sorted, written as in the manifest.",
            ),
            say(
                draw,
                f"A right list has the SHA-256 sum `{check}`.",
                "Every line ends in a newline.",
                "No other output.",
            ),
        ]
    )
    tests = (
        READ_LINES.format(output=output)
        + f"WANT = {changed!r}\n\n\ndef test_found():\n    assert set(WANT) <= set(lines()), f'missing: {{lines()}}'\n\n\n"
        "def test_exact():\n    import hashlib\n    lines()\n    digest = hashlib.sha256(OUT.read_bytes()).hexdigest()\n"
        f"    assert digest == '{check}', f'not the list: {{OUT.read_text()}}'\n"
    )
    solution = f"#!/bin/bash\ncd /app\nmkdir -p out\nsha256sum -c MANIFEST 2>/dev/null | grep FAILED | cut -d: -f1 | sort > {output}\n"
    return Sample(
        name=f"manifest-{number}",
        instruction=instruction,
        files={"MANIFEST": manifest, **texts},
        tests=tests,
        weights={"test_found": 0.4, "test_exact": 0.6},
        solution=solution,
        output=output,
        result=report,
    )


def make_join(draw: random.Random, number: int) -> Sample:
    """Two tables to be joined, with orphans."""
    who, item, group, names = SETTINGS[(number * 13 + 10) % len(SETTINGS)]
    prices = {f"P{n}": round(draw.uniform(2, 60), 2) for n in draw.sample(range(100, 999), 9)}
    codes = [*prices, "P001", "P002"]
    rows = [(n, draw.choice(names), draw.choice(codes), draw.randint(1, 40)) for n in range(1, 46)]
    sums: dict[str, float] = defaultdict(float)
    orphans = []
    for n, name, code, amount in rows:
        if code in prices:
            sums[name] += amount * prices[code]
        else:
            orphans.append(n)
    wanted = [[name, f"{sums[name]:.2f}"] for name in sorted(sums)]
    left, right, output = f"in/{item.replace('-', '_')}s.csv", "in/prices.csv", f"out/{group}s.csv"
    instruction = " ".join(
        [
            say(
                draw,
                f"The invoices of {who} are late because two exports do not fit together.",
                f"{who.capitalize()} has its {item}s in one system and its prices in another.",
            ),
            f"`/app/{left}` has id, {group}, code and amount, `/app/{right}` code and price.",
            say(
                draw,
                f"Write `/app/{output}` with the header `{group},value`: what each {group} is worth in all, amount times price, "
                f"two decimals, sorted by {group}.",
                f"Work out amount times price for every row and add it up for each {group}: `/app/{output}`, header "
                f"`{group},value`, two decimals, rows in order of {group}.",
            ),
            say(
                draw,
                "Ids of rows whose code has no price go to `/app/out/orphans.txt`, one a line, ascending, and do not count.",
                "Rows without a price are left out; their ids are listed in `/app/out/orphans.txt`, ascending.",
            ),
        ]
    )
    tests = (
        "import csv\nfrom pathlib import Path\n\n\ndef rows():\n"
        f"    path = Path('/app/{output}')\n    assert path.is_file(), 'no table'\n"
        "    return list(csv.reader(path.open(newline='')))\n\n\n"
        f"def test_header():\n    assert rows()[:1] == [['{group}', 'value']], f'header: {{rows()[:1]}}'\n\n\n"
        f"def test_values():\n    assert rows()[1:] == {wanted!r}, f'rows: {{rows()[1:]}}'\n\n\n"
        "def test_orphans():\n    path = Path('/app/out/orphans.txt')\n    assert path.is_file(), 'no orphans.txt'\n"
        f"    assert path.read_text().split() == {[str(n) for n in orphans]!r}, path.read_text()\n"
    )
    body = (
        f'import csv\nprice = {{r["code"]: float(r["price"]) for r in csv.DictReader(open("{right}"))}}\nworth, lone = {{}}, []\n'
        f'for r in csv.DictReader(open("{left}")):\n    if r["code"] not in price:\n        lone.append(r["id"])\n'
        f'        continue\n    key = r["{group}"]\n    worth[key] = worth.get(key, 0) + int(r["amount"]) * price[r["code"]]\n'
        f'with open("{output}", "w", newline="") as f:\n    w = csv.writer(f, lineterminator="\\n")\n'
        f'    w.writerow(["{group}", "value"])\n    w.writerows([k, f"{{worth[k]:.2f}}"] for k in sorted(worth))\n'
        'open("out/orphans.txt", "w").write("".join(f"{n}\\n" for n in lone))\n'
    )
    return Sample(
        name=f"join-{number}",
        instruction=instruction,
        files={
            left: f"id,{group},code,amount\n" + "".join(",".join(map(str, row)) + "\n" for row in rows),
            right: "code,price\n" + "".join(f"{code},{price}\n" for code, price in prices.items()),
        },
        tests=tests,
        weights={"test_header": 0.1, "test_values": 0.6, "test_orphans": 0.3},
        solution=PYTHON.format(body=body),
        output=output,
        result=f"{group},value\n" + "".join(f"{name},{value}\n" for name, value in wanted),
        answers=tuple((f"what {name} is worth", value) for name, value in wanted),
    )


def make_route(draw: random.Random, number: int) -> Sample:
    """A shortest way through a net."""
    who, item, group, _ = SETTINGS[(number * 3 + 11) % len(SETTINGS)]
    nodes = [f"{say(draw, 'K', 'N', 'Q')}{n:02d}" for n in range(16)]
    nodes = list(dict.fromkeys(nodes))
    edges = {(a, b): draw.randint(11, 97) for a, b in pairwise(nodes)}
    while len(edges) < 34:
        a, b = sorted(draw.sample(range(len(nodes)), 2))
        edges.setdefault((nodes[a], nodes[b]), draw.randint(20, 240))
    length, way = _find_way(nodes, edges)
    source, output = f"net/{group}.edges", "out/route.json"
    instruction = " ".join(
        [
            say(
                draw,
                f"A new {item} of {who} has to get across town with the least toll.",
                f"{who.capitalize()} pays too much toll.",
                f"For {who} every minute on the road is money.",
            ),
            f"`/app/{source}` has an undirected link a line: two ends and a cost.",
            say(
                draw,
                f"Find the cheapest way from `{nodes[0]}` to `{nodes[-1]}` and write `/app/{output}` with `cost` and `stops`.",
                f"Which way from `{nodes[0]}` to `{nodes[-1]}` costs least? Write its `cost` and its `stops` to `/app/{output}`.",
            ),
            say(draw, "The stops are a list, both ends included.", "`stops` lists every node passed, the ends too."),
            "Where ways cost the same, any of them will do.",
        ]
    )
    tests = READ_JSON.format(output=output) + (
        f"LINKS = {[(a, b, c) for (a, b), c in edges.items()]!r}\nCOST = {{frozenset((a, b)): c for a, b, c in LINKS}}\n\n\n"
        f"def test_cost():\n    assert load().get('cost') == {length}, f'cost: {{load()}}'\n\n\n"
        "def test_stops():\n    stops = load().get('stops', [])\n"
        f"    assert stops[:1] == ['{nodes[0]}'] and stops[-1:] == ['{nodes[-1]}'], f'ends: {{stops}}'\n"
        "    hops = [COST.get(frozenset(pair)) for pair in zip(stops, stops[1:])]\n"
        f"    assert None not in hops and sum(hops) == {length}, f'no way, or not the cheapest: {{stops}}'\n"
    )
    body = (
        f'import heapq, json\nnet = {{}}\nfor line in open("{source}"):\n    a, b, c = line.split()\n'
        "    net.setdefault(a, []).append((b, int(c)))\n    net.setdefault(b, []).append((a, int(c)))\n"
        f'queue, seen = [(0, ["{nodes[0]}"])], set()\nwhile queue:\n    cost, way = heapq.heappop(queue)\n'
        f'    if way[-1] == "{nodes[-1]}":\n        break\n    if way[-1] in seen:\n        continue\n    seen.add(way[-1])\n'
        "    for b, c in net[way[-1]]:\n        heapq.heappush(queue, (cost + c, [*way, b]))\n"
        f'json.dump({{"cost": cost, "stops": way}}, open("{output}", "w"))\n'
    )
    return Sample(
        name=f"route-{number}",
        instruction=instruction,
        files={source: "".join(f"{a} {b} {c}\n" for (a, b), c in edges.items())},
        tests=tests,
        weights={"test_cost": 0.5, "test_stops": 0.5},
        solution=PYTHON.format(body=body),
        output=output,
        result=json.dumps({"cost": length, "stops": way}),
        answers=(("the cost", str(length)),),
    )


def _find_way(nodes: list[str], edges: dict[tuple[str, str], int]) -> tuple[int, list[str]]:
    best: dict[str, tuple[int, list[str]]] = {nodes[0]: (0, [nodes[0]])}
    for _ in nodes:
        for (a, b), cost in edges.items():
            for start, end in ((a, b), (b, a)):
                if start in best and (end not in best or best[start][0] + cost < best[end][0]):
                    best[end] = (best[start][0] + cost, [*best[start][1], end])
    return best[nodes[-1]]


FAMILIES: tuple[Family, ...] = (
    make_totals,
    make_log_report,
    make_settings,
    make_repair,
    make_program,
    make_secret,
    make_statistics,
    make_query,
    make_archive,
    make_manifest,
    make_join,
    make_route,
)


def list_clean(count: int, *, seed: int = 0) -> list[Sample]:
    """Good samples, the families in turn."""
    return [FAMILIES[n % len(FAMILIES)](random.Random(f"clean {seed} {n}"), n // len(FAMILIES)) for n in range(count)]
