"""The `openai` package's transport without the package's models: the same class, the same headers, and a way back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TELL = "print([t.__name__ for t in type(client).__mro__[:2]], 'openai' in sys.modules)"
OPEN = "import sys; from terminal_task_gen.teacher import transport"
COMPARE = """
from openai import AsyncOpenAI
from terminal_task_gen.teacher.transport import build_headers
client = AsyncOpenAI(base_url="http://127.0.0.1:1/v1", api_key="key-of-a-test")
theirs = {**client.default_headers, "Authorization": "Bearer key-of-a-test"}
theirs = {name: value for name, value in theirs.items() if isinstance(value, str) and "Stainless" not in name}
print(theirs == build_headers("key-of-a-test"), sorted(theirs), "Authorization" in build_headers(""))
"""


def run(script: str, **variables: str) -> str:
    environ = {**os.environ, **variables}
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environ)
    return told.stdout.strip()


def test_the_package_itself_is_not_imported() -> None:
    assert (
        run(f"{OPEN}; client = transport.open_http_client(); {TELL}") == "['Httpx2AiohttpClient', 'AsyncClient'] False"
    )


def test_where_the_transport_has_moved_the_packages_public_name_is_taken() -> None:
    script = f"{OPEN}; transport._FOLDER = 'moved'; client = transport.open_http_client(); {TELL}"
    assert run(script) == "['_InstalledAioHttpClient', 'Httpx2AiohttpClient'] True"


def test_where_the_transport_needs_the_rest_the_packages_public_name_is_taken(tmp_path: Path) -> None:
    package = tmp_path / "leaning"
    package.mkdir()
    (package / "__init__.py").write_text("from ...._client import AsyncOpenAI\n")
    script = f"{OPEN}; transport._FOLDER = {str(package)!r}; client = transport.open_http_client(); {TELL}"
    assert run(script) == "['_InstalledAioHttpClient', 'Httpx2AiohttpClient'] True"


def test_the_headers_are_the_packages_own() -> None:
    named = "['Accept', 'Authorization', 'Content-Type', 'OpenAI-Organization', 'OpenAI-Project', 'User-Agent']"
    assert run(COMPARE, OPENAI_ORG_ID="org", OPENAI_PROJECT_ID="project") == f"True {named} False"
