"""Pushing to the hub, through huggingface_hub itself, against a small server that speaks the hub's API."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.export.samples import make_run

TOKEN = "hf_test_only"


class FakeHub(BaseHTTPRequestHandler):
    """Takes one data set's files; refuses what has no token."""

    calls: ClassVar[list[str]]
    files: ClassVar[dict[str, bytes]]

    def do_GET(self) -> None:
        self.calls.append(f"GET {self.path}")
        if "/tree/" in self.path:
            self._answer(200, [{"type": "file", "path": "old.jsonl", "size": 1, "oid": "0" * 40}])
        else:
            self._answer(200, {"id": "me/data", "sha": "0" * 40, "siblings": [{"rfilename": "old.jsonl"}]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.calls.append(f"POST {self.path}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "no such token"})
        elif self.path == "/api/repos/create":
            wanted = json.loads(body)
            assert wanted.get("private") or wanted.get("visibility") == "private"
            self._answer(200, {"url": f"http://{self.headers['Host']}/datasets/me/data", "id": "1", "name": "me/data"})
        elif "/preupload/" in self.path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]
            ]
            self._answer(200, {"files": files})
        elif "/commit/" in self.path:
            for entry in map(json.loads, body.splitlines()):
                if entry["key"] == "file":
                    self.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
                elif entry["key"] == "deletedFile":
                    self.files[entry["value"]["path"]] = b"deleted"
            address = f"http://{self.headers['Host']}/datasets/me/data/commit/1"
            self._answer(200, {"success": True, "commitUrl": address, "commitOid": "1" * 40})
        else:
            self._answer(200, {"errors": [], "warnings": []})

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def hub() -> Iterator[str]:
    FakeHub.calls, FakeHub.files = [], {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def push(run: Path, folder: Path, endpoint: str, token: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the library reads its environment when it is first imported."""
    command = [sys.executable, "-m", "terminal_task_gen", "export", str(run), "-f", "messages", "-o", str(folder)]
    environ = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"}
    environ |= {"HF_ENDPOINT": endpoint, "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}
    command += ["--push-to-hub", "me/data"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environ)


def test_the_folder_is_pushed_whole_and_what_was_there_goes(tmp_path: Path, hub: str) -> None:
    result = push(make_run(tmp_path, tasks=4), tmp_path / "out", hub, TOKEN)
    assert result.returncode == 0, result.stderr
    assert f"pushed: {hub}/datasets/me/data" in result.stdout
    written = {
        str(p.relative_to(tmp_path / "out")): p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()
    }
    assert FakeHub.files == {**written, "old.jsonl": b"deleted"}
    assert "POST /api/repos/create" in FakeHub.calls
    assert TOKEN not in "".join(content.decode(errors="replace") for content in written.values())


def test_a_hub_that_refuses_costs_one_line_and_keeps_the_data(tmp_path: Path, hub: str) -> None:
    result = push(make_run(tmp_path, tasks=4), tmp_path / "out", hub, "hf_wrong")
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1), result.stderr
    assert "the hub did not take me/data" in result.stderr and "hf_wrong" not in result.stderr
    assert (tmp_path / "out" / "export.json").is_file()
    nobody = push(tmp_path / "first", tmp_path / "out", "http://127.0.0.1:9", TOKEN)
    assert (nobody.returncode, len(nobody.stderr.splitlines())) == (2, 1), nobody.stderr
