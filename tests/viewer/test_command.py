"""`ttg view` as a user starts it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from terminal_task_gen.errors import UsageError
from terminal_task_gen.viewer.layout import choose_index_folder

TTG = (sys.executable, "-m", "terminal_task_gen", "view")


def run_view(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TTG, *args], capture_output=True, text=True, check=False, timeout=60)


def test_it_serves_until_ctrl_c_and_leaves_no_process(sample_run: Path) -> None:
    with subprocess.Popen(
        [*TTG, str(sample_run), "--no-open"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        found = re.match(r"sample: (http://127\.0\.0\.1:\d+/\?token=\S+)$", process.stdout.readline())
        assert found
        with urllib.request.urlopen(found.group(1)) as answer:
            assert "Set-Cookie" in answer.headers
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert children, "the index is built by a process of its own"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert "Traceback" not in process.stderr.read()
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline, "the builder outlived the server"
        time.sleep(0.05)


def test_the_builder_ends_when_the_server_is_killed(sample_run: Path) -> None:
    with subprocess.Popen([*TTG, str(sample_run), "--no-open"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
    deadline = time.monotonic() + 10
    while any(
        Path(f"/proc/{child}/cmdline").is_file() and Path(f"/proc/{child}/cmdline").read_bytes() for child in children
    ):
        assert time.monotonic() < deadline, "the builder outlived the server"
        time.sleep(0.05)


@pytest.mark.parametrize("what", ["nothing there", "an empty folder", "a file"])
def test_what_is_no_run_costs_one_line(tmp_path: Path, what: str) -> None:
    path = tmp_path / "x"
    if what == "an empty folder":
        path.mkdir()
    if what == "a file":
        path.write_text("x")
    result = run_view(str(path), "--no-open")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1 and str(path) in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / ".cache").exists()


def test_a_port_that_is_taken_costs_one_line(sample_run: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run_view(str(sample_run), "--no-open", "--port", str(taken.getsockname()[1]))
    assert result.returncode == 2 and "--port" in result.stderr and result.stderr.count("\n") == 1


def test_the_index_goes_elsewhere_where_nothing_can_be_made_beside_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "runs" / "first"
    run.mkdir(parents=True)
    assert choose_index_folder(run).is_relative_to(tmp_path / "runs" / ".cache" / "view")
    other = tmp_path / "other" / "first"
    other.mkdir(parents=True)
    (tmp_path / "other" / ".cache").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    folder = choose_index_folder(other)
    assert folder.is_relative_to(tmp_path / "home" / "ttg" / "view")
    assert folder.name != choose_index_folder(run).name, "two runs of one name have two indexes"
    (tmp_path / "home").rename(tmp_path / "gone")
    (tmp_path / "home").write_text("in the way")
    with pytest.raises(UsageError, match="--index-dir"):
        choose_index_folder(other)
    assert not list(run.iterdir())
