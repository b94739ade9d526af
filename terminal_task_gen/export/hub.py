"""Pushes a folder to the Hugging Face Hub as a data set. The token comes from the environment alone (HF_TOKEN)."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from terminal_task_gen.errors import PrerequisiteError, UsageError


def check_hub(repository: str) -> None:
    """Before anything is written: raises PrerequisiteError without library or token, UsageError for a bad name."""
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise UsageError(f"--push-to-hub {repository!r}: write it as owner/name")
    _load_library()
    if not os.environ.get("HF_TOKEN"):
        raise PrerequisiteError("pushing to the hub needs a write token: set HF_TOKEN in the environment")


def push_folder(folder: Path, repository: str) -> str:
    """Create the data set, private, where there is none, and make its files those of `folder`; its address.

    Raises UsageError with what the hub answered.
    """
    library = _load_library()
    api = library.HfApi(token=os.environ["HF_TOKEN"])
    try:
        api.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=str(folder),
            commit_message=f"{folder.name}, written by ttg",
            delete_patterns="*",
        )
    # The first base is the error of whichever HTTP library this version of the hub's stands on.
    except (*library.errors.HfHubHTTPError.__bases__, OSError, ValueError) as error:
        answer = " ".join(str(error).split())
        raise UsageError(f"the hub did not take {repository}: {answer}; the data is in {folder}") from error
    return f"{api.endpoint}/datasets/{repository}"


def _load_library() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise PrerequisiteError("pushing to the hub needs: pip install 'terminal-task-gen[hub]'") from error
