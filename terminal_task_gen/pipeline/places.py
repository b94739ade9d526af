"""Wires what only reads a run, a corpus or a mix at a URL, and what is written as a folder to one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from terminal_task_gen.config import read_storage_options
from terminal_task_gen.errors import UsageError
from terminal_task_gen.mirror.journal import read_mirrored_url
from terminal_task_gen.mirror.remote import RemoteFolder
from terminal_task_gen.mirror.run_mirror import RunMirror
from terminal_task_gen.mirror.trees import check_replaceable_there, pull_tree, push_tree
from terminal_task_gen.places import get_staging_folder, read_folder, read_url
from terminal_task_gen.store import RunDirectory

MANIFEST = "manifest.json"
_PATIENCE_SEC = 2.0
"""For another ttg of this machine that only reads. One that writes keeps the staging folder up to date by itself."""

Tell = Callable[[str], None]


def find_url(place: str) -> str | None:
    """The URL a place means: itself, or that of a run whose staging folder it is; None for a folder."""
    url = read_url(place)
    if url is not None:
        return url
    folder = read_folder(place).absolute()
    mirrored = read_mirrored_url(folder)
    return mirrored if mirrored and get_staging_folder(mirrored) == folder else None


def fetch_identity(url: str, overrides: Sequence[str], tell: Tell) -> Path:
    """The staging folder of the run at a URL, with its config.yaml and run.json; without a run there, as it is."""
    folder = get_staging_folder(url)
    if RemoteFolder(url, _read_options(folder, overrides)).read("config.yaml") is not None:
        _read_under_lock(folder, url, overrides, tell, RunMirror.pull_identity)
    return folder


def fetch_run(place: str, overrides: Sequence[str], tell: Tell) -> Path:
    """The folder of a run, for reading: at a URL, its shards are brought here first.

    Raises UsageError when there is no run. Where a ttg of this machine writes it, its staging folder is up to date.
    """
    url = find_url(place)
    if url is None:
        return read_folder(place)
    folder = fetch_identity(url, overrides, tell)
    if not (folder / "config.yaml").is_file():
        raise UsageError(f"{url} is not a run (no config.yaml there)")
    _read_under_lock(folder, url, overrides, tell, lambda mirror: mirror.pull(settle=False))
    return folder


def fetch_rows(place: str, overrides: Sequence[str], tell: Tell) -> Path:
    """The folder of a run's corpus, a corpus, or a mix, for reading; of a run at a URL, only the corpus is brought."""
    url = find_url(place)
    if url is None:
        return read_folder(place)
    folder = get_staging_folder(url)
    remote = RemoteFolder(url, _read_options(folder, overrides))
    if remote.read("config.yaml") is None:
        if not pull_tree(remote, "", folder, MANIFEST):
            raise UsageError(f"{url} is neither a run nor a corpus (no config.yaml, no manifest.json there)")
        return folder
    fetch_identity(url, overrides, tell)
    _read_under_lock(folder, url, overrides, tell, RunMirror.pull_corpus)
    return folder


def send_folder(folder: Path, url: str, mark: str, overrides: Sequence[str], source: Path | None = None) -> None:
    """Upload a folder that was written as a whole. `source` is a run whose options may reach the store, too."""
    push_tree(RemoteFolder(url, _read_options(source or folder, overrides)), "", folder, mark)


def check_target(url: str, mark: str, overrides: Sequence[str], source: Path | None = None) -> None:
    """Raises UsageError, before any work, for a URL that cannot be listed or holds something else."""
    check_replaceable_there(RemoteFolder(url, _read_options(source or Path(), overrides)), mark)


def _open_mirror(directory: RunDirectory, url: str, overrides: Sequence[str], tell: Tell) -> RunMirror:
    return RunMirror(directory, RemoteFolder(url, _read_options(directory.path, overrides)), tell)


def _read_options(folder: Path, overrides: Sequence[str]) -> dict[str, object]:
    return read_storage_options(folder / "config.yaml", overrides)


def _read_under_lock(
    folder: Path, url: str, overrides: Sequence[str], tell: Tell, read: Callable[[RunMirror], None]
) -> None:
    directory = RunDirectory(folder)
    is_free = False
    with suppress(UsageError):
        directory.lock(patience_sec=_PATIENCE_SEC)
        is_free = True
    if is_free:
        try:
            read(_open_mirror(directory, url, overrides, tell))
        finally:
            directory.unlock()
