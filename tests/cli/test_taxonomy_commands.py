"""`ttg taxonomy` and `ttg domains`, as a user runs them: lint, samples, coverage, and a tenth domain without Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest

from terminal_task_gen.images import get_dockerfile_text, list_images
from terminal_task_gen.resources import data_dir
from terminal_task_gen.taxonomy import load_domains
from terminal_task_gen.taxonomy_lint import list_alike, list_remarks, measure_likeness

REPOSITORY = Path(__file__).resolve().parents[2]


def run_ttg(cwd: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "terminal_task_gen", *args]
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "160"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=cwd, env=environ)


def write_domain(folder: Path, name: str, *skills: str) -> None:
    folder.mkdir(exist_ok=True)
    lines = [
        f"name: {name}",
        f"title: {name}",
        "image: base",
        "role: You are one.",
        "focus: [one]",
        "skills:",
        "  Kind:",
    ]
    (folder / f"{name}.yaml").write_text("\n".join([*lines, *(f"    - {skill}" for skill in skills)]) + "\n")


@pytest.fixture
def scaffold(tmp_path: Path) -> Path:
    """A folder with a scaffolded domain `harbour_work`, as `ttg domains new` leaves it."""
    result = run_ttg(tmp_path, "domains", "new", "harbour_work", "--taxonomy", "t", "--images", "i")
    assert result.returncode == 0, result.stderr
    assert "ttg taxonomy check --taxonomy t\n" in result.stdout
    return tmp_path


class Endpoint(BaseHTTPRequestHandler):
    """Keeps each request's body and refuses it for good."""

    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        reply = b'{"error": {"message": "no such thing here"}}'
        self.send_response(400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def serve_endpoint() -> Iterator[tuple[str, list[bytes]]]:
    bodies: list[bytes] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Kept", (Endpoint,), {"bodies": bodies}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_shipped_taxonomy_is_clean() -> None:
    result = run_ttg(REPOSITORY, "taxonomy", "check")
    assert result.returncode == 0, result.stdout + result.stderr
    assert all(name in result.stdout for name in load_domains([data_dir("taxonomy")]))


def test_near_duplicates_end_the_check_with_2_and_are_shown(tmp_path: Path) -> None:
    write_domain(tmp_path / "t", "art", "restore the faded colours of a scanned painting", "frame a canvas")
    write_domain(tmp_path / "t", "craft", "restore faded colours of an old scanned painting")
    result = run_ttg(tmp_path, "taxonomy", "check", "--taxonomy", "t")
    assert result.returncode == 2
    assert result.stderr.startswith("ttg: 1 pairs of primitives are more alike than 0.35")
    assert re.search(r"0\.83  art: restore the faded .*\n +craft: restore faded", result.stdout)
    assert "art: 2 skills; with fewer than 60" in result.stdout
    assert "art: skill 'frame a canvas': 7 to 25 words" in result.stdout


def test_likeness_is_the_share_of_common_stems() -> None:
    assert measure_likeness("sort the long list", "sorting a short list") == 0.5
    assert measure_likeness("sample weather records", "records of the weather, sampled") == 1.0
    assert measure_likeness("sort lists with the given keys", "merge trees with the given roots") == 0.0
    assert measure_likeness("to be", "to be") == 0.0, "no word to compare"


def test_lint_names_what_is_wrong_with_axes(tmp_path: Path) -> None:
    write_domain(tmp_path, "art", "frame a canvas")
    domain = load_domains([tmp_path])["art"].model_copy(update={"scenarios": ("a fair", "a fair")})
    remarks = list_remarks(domain)
    assert "scenarios: 'a fair' stands 2 times" in remarks
    assert "2 scenarios; 12 or more make tasks differ" in remarks
    assert any(remark.startswith("0 pairs of verification") for remark in remarks)
    assert any(remark.startswith("skill type 'Kind' has 1") for remark in remarks)


def test_samples_are_the_same_for_a_seed_and_differ_for_another() -> None:
    first, again, other = (
        run_ttg(REPOSITORY, "taxonomy", "sample", "security", "-n", "4", "--seed", seed) for seed in "112"
    )
    assert first.stdout == again.stdout != other.stdout
    assert re.findall(r"^security, commission (\d), (?:easy|medium|hard)$", first.stdout, re.M) == ["1", "2", "3", "4"]
    assert len(re.findall(r"^  skill +\w.*\[.+\]$", first.stdout, re.M)) in range(12, 21)


def test_a_sample_can_be_the_whole_prompt() -> None:
    arguments = ["taxonomy", "sample", "security", "-n", "1", "--difficulty", "hard", "--prompt"]
    prompt = run_ttg(REPOSITORY, *arguments).stdout
    assert "You write terminal tasks.\n" in prompt
    assert "Task category: security\nMode: skill\nDifficulty: hard\nCommission number: 1\n" in prompt
    assert "```dockerfile\n" in prompt


def test_coverage_compares_with_independent_draws() -> None:
    result = run_ttg(REPOSITORY, "taxonomy", "coverage", "security", "-n", "1000")
    balanced, independent = (
        re.search(rf"{label} +[\d,]+ +([\d.]+)% +(\d+) +[\d.]+ +(\d+)", result.stdout)
        for label in ("balanced", "independent")
    )
    assert balanced and independent, result.stdout + result.stderr
    assert float(balanced[1]) >= float(independent[1])
    assert int(balanced[3]) - int(balanced[2]) < int(independent[3]) - int(independent[2])


@pytest.mark.parametrize("command", ["sample", "coverage"])
def test_an_unknown_domain_is_named(command: str) -> None:
    result = run_ttg(REPOSITORY, "taxonomy", command, "securty")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("ttg: unknown domain 'securty'; known: data_processing")


def test_a_scaffold_is_sound_as_it_stands(scaffold: Path) -> None:
    domains = load_domains([data_dir("taxonomy"), scaffold / "t"])
    domain = domains["harbour_work"]
    assert (domain.title, domain.image) == ("Harbour Work", "harbour_work")
    assert all((domain.scenarios, domain.artifacts, domain.constraints, domain.checks, domain.verification))
    assert list_alike(domains.values()) == []
    check = run_ttg(scaffold, "taxonomy", "check", "--taxonomy", "t")
    assert check.returncode == 0, check.stderr
    assert "harbour_work: 9 skills; with fewer than 60" in check.stdout
    text = get_dockerfile_text(list_images([data_dir("images"), scaffold / "i"]), "harbour_work")
    assert "\nARG BASE_IMAGE=ttg-base:latest\nFROM ${BASE_IMAGE}\n" in text
    assert "$name" not in text + (scaffold / "t" / "harbour_work.yaml").read_text()


@pytest.mark.bubblewrap
def test_a_scaffolded_domain_reaches_the_endpoint(scaffold: Path) -> None:
    with serve_endpoint() as (base_url, bodies):
        folders = ["--taxonomy", "t", "--images", "i", "--domain", "harbour_work", "--mode", "skill", "-n", "2"]
        endpoint = ["--base-url", base_url, "--model", "m", "--api-key-env", "", "--sandbox", "bubblewrap"]
        result = run_ttg(scaffold, "generate", *folders, *endpoint)
    prompts = [orjson.loads(body)["messages"] for body in bodies]
    assert len(prompts) == 2, result.stderr
    for system, user in prompts:
        assert "# Your part: Harbour Work" in system["content"]
        assert user["content"].startswith("Task category: harbour_work\nMode: skill\n")
        assert re.search(
            r"^- Scenario: a (harbour office|volunteer museum)|^- Scenario: the night shift", user["content"], re.M
        )
        assert 'LABEL ttg.holds="jq sqlite3"' in user["content"]


def test_a_domain_is_never_overwritten(scaffold: Path) -> None:
    path = scaffold / "t" / "harbour_work.yaml"
    path.write_text("mine")
    result = run_ttg(scaffold, "domains", "new", "harbour_work", "--taxonomy", "t", "--images", "other")
    assert result.returncode == 2
    assert "harbour_work.yaml is there already; nothing was written" in result.stderr
    assert path.read_text() == "mine"
    assert not (scaffold / "other").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [("Net-Work", "lower-case letters"), ("security", "security is shipped"), ("base", "base is shipped")],
)
def test_names_that_cannot_be_are_refused(tmp_path: Path, name: str, said: str) -> None:
    result = run_ttg(tmp_path, "domains", "new", name)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_domains_are_listed_with_their_own_and_the_users(scaffold: Path) -> None:
    result = run_ttg(scaffold, "domains", "list", "--taxonomy", "t")
    assert re.search(r"^harbour_work +9 skills +image harbour_work +Harbour Work$", result.stdout, re.M)
    assert re.search(r"^security +\d+ skills +image security +Security$", result.stdout, re.M)
