"""The `openai` package's HTTP client and what it says of itself, without the models of its API.

Importing the package makes five hundred modules of those models, of which a call that goes out as ready bytes needs
none: most of the CPU of a start of `ttg`, and a third of its memory (benchmarks/rollout). So its own transport (aiohttp
under httpx2), one folder that imports nothing of the rest, is loaded from where the package is installed. Where a
release of the package has it elsewhere, or somebody has imported the package anyway, its public name is taken.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import httpx2

MAX_CONNECTIONS = 1000
"""The package's own default of a client."""
_PRIVATE_NAME = "terminal_task_gen.teacher._openai_transport"
_FOLDER = "_vendor/httpx_aiohttp"


def open_http_client(**options: Any) -> httpx2.AsyncClient:
    """The client, with httpx2's options. Redirects are followed, as the package has it."""
    kind: type[httpx2.AsyncClient] | None = None if "openai" in sys.modules else _load_transport()
    if kind is None:
        from openai import DefaultAioHttpClient

        kind = DefaultAioHttpClient
    return kind(follow_redirects=True, **options)


def build_headers(key: str) -> dict[str, str]:
    """What the package sends with a call, its platform's description apart."""
    variables = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
    version = importlib.metadata.version("openai")
    return {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"AsyncOpenAI/Python {version}",
        **{header: value for header, name in variables.items() if (value := os.environ.get(name))},
        **({"Authorization": f"Bearer {key}"} if key else {}),
    }


def _load_transport() -> type[httpx2.AsyncClient] | None:
    """None where it is not found."""
    # Of a name without a dot; so the package itself is not executed.
    package = importlib.util.find_spec("openai")
    for place in (package.submodule_search_locations or ()) if package else ():
        path = Path(place, _FOLDER, "__init__.py")
        spec = importlib.util.spec_from_file_location(
            _PRIVATE_NAME, path, submodule_search_locations=[str(path.parent)]
        )
        if spec is None or spec.loader is None or not path.is_file():
            continue
        module = sys.modules.get(_PRIVATE_NAME)
        if module is None:
            module = sys.modules[_PRIVATE_NAME] = importlib.util.module_from_spec(spec)
            try:
                spec.loader.exec_module(module)
            except ImportError:  # of a release whose transport leans on the rest of the package
                del sys.modules[_PRIVATE_NAME]
                return None
        kind: type[httpx2.AsyncClient] | None = getattr(module, "Httpx2AiohttpClient", None)
        return kind
    return None
