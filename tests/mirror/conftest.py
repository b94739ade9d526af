"""A local S3-compatible server (moto's), and a machine's folders and environment for it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mirror.faulty_proxy import FaultyProxy
from tests.mirror.s3_objects import KEYS, Bucket


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            endpoint = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 60
            while True:
                try:
                    urllib.request.urlopen(f"{endpoint}/moto-api/data.json", timeout=5).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline, "moto's server did not start"
                    time.sleep(0.1)
            yield endpoint
        finally:
            server.kill()


@pytest.fixture
def bucket(s3_endpoint: str) -> Bucket:
    """A fresh one."""
    bucket = Bucket(s3_endpoint, f"b-{uuid.uuid4().hex[:12]}")
    bucket.create()
    return bucket


@pytest.fixture
def proxy(s3_endpoint: str) -> Iterator[FaultyProxy]:
    with FaultyProxy(s3_endpoint) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process is a machine with a staging root of its own; nothing of the user's."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TTG_STAGING_DIR", str(tmp_path / "staging"))
    return tmp_path / "staging"
