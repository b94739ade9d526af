"""One folder of an object store, by fsspec; the only file that knows it. Blocking: call it in a thread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from terminal_task_gen.errors import PrerequisiteError, StorageError, UsageError
from terminal_task_gen.places import read_url

PARALLEL = 8
"""Transfers at once."""
CONNECT_SEC, READ_SEC, TRIES = 10, 60, 4
"""Of S3: how long a call may stay without an answer, and tries of a call. What lasts longer is the syncer's matter."""

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_BUGS = (TypeError, AttributeError, LookupError, AssertionError, NameError)


class RemoteFolder:
    """Objects below `url` by their names, with forward slashes.

    Every method raises StorageError where the store does not answer or refuses, and FileNotFoundError for an object or
    a bucket that is not there.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        """Raises PrerequisiteError when the store's driver is not installed, UsageError for an unknown kind of URL."""
        self.url = read_url(url) or url
        scheme = self.url.partition("://")[0]
        self._fs = _open_file_system(scheme, dict(options or {}))
        # s3fs multiplies its client's tries by its own.
        self._fs.retries = 1
        self._root = str(self._fs._strip_protocol(self.url)).rstrip("/")

    def list_sizes(self, below: str) -> dict[str, int]:
        """Name → bytes of every object below a folder; empty where there is none."""
        with self._explain("list", below):
            self._fs.invalidate_cache()
            try:
                found: dict[str, dict[str, Any]] = self._fs.find(self._get_path(below), detail=True)
            except FileNotFoundError:
                return {}
            names = {path[len(self._root) + 1 :]: int(info["size"] or 0) for path, info in found.items()}
            # A key may be anything; it must not lead out of the staging folder.
            return {name: size for name, size in names.items() if not {"", ".", ".."} & set(name.split("/"))}

    def read(self, name: str) -> bytes | None:
        """A small object's content; None when it is not there."""
        with self._explain("read", name):
            try:
                return bytes(self._fs.cat_file(self._get_path(name)))
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes, *, create: bool = False) -> None:
        """A small object as a whole. `create`: FileExistsError when it is there already, decided by the store where it
        can (S3: If-None-Match, Google: ifGenerationMatch), else by looking first.
        """
        with self._explain("write", name):
            self._fs.pipe_file(self._get_path(name), content, mode="create" if create else "overwrite")

    def upload(self, path: Path, name: str, *, create: bool = False) -> None:
        """A file as one object; `create` as in `write`."""
        with self._explain("write", name):
            self._fs.put_file(str(path), self._get_path(name), mode="create" if create else "overwrite")

    def upload_all(self, files: Mapping[str, Path]) -> None:
        """Several, by name, some at once; the first failure is raised."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda name: self.upload(files[name], name), files))

    def download(self, name: str, path: Path) -> None:
        """An object as a file, whole or not at all."""
        temporary = path.with_name(f".{path.name}.download")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._explain("read", name):
                self._fs.get_file(self._get_path(name), str(temporary))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def download_all(self, files: Mapping[str, Path]) -> None:
        """Several, by name, some at once; the first failure is raised."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda name: self.download(name, files[name]), files))

    def remove(self, names: Sequence[str]) -> None:
        """What is not there is no failure."""
        for name in names:
            with self._explain("remove", name):
                try:
                    self._fs.rm_file(self._get_path(name))
                except FileNotFoundError:
                    continue

    def _get_path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    @contextmanager
    def _explain(self, verb: str, name: str) -> Iterator[None]:
        where = f"{self.url}/{name}".rstrip("/")
        try:
            yield
        except (FileNotFoundError, FileExistsError, UsageError):
            raise
        except PermissionError as error:
            raise StorageError(
                f"cannot {verb} {where}: the store refuses ({_shorten(error)}); check the credentials in the "
                "environment and what they are allowed (docs/storage.md)"
            ) from error
        except Exception as error:
            # Every store's library has errors of its own, which share no base; a bug keeps its traceback.
            if isinstance(error, _BUGS):
                raise
            raise StorageError(
                f"cannot {verb} {where}: {_shorten(error)}; check the network, the credentials in the environment and "
                "storage.options.endpoint_url (docs/storage.md)"
            ) from error


def _open_file_system(scheme: str, options: dict[str, Any]) -> Any:
    try:
        import fsspec
    except ImportError as error:
        raise PrerequisiteError(_tell_extra(scheme)) from error
    if scheme in ("s3", "s3a"):
        retries = {"total_max_attempts": TRIES, "mode": "standard"}
        limits = {"connect_timeout": CONNECT_SEC, "read_timeout": READ_SEC, "retries": retries}
        options["config_kwargs"] = {**limits, **options.get("config_kwargs", {})}
    try:
        return fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False, **options)
    except ImportError as error:
        raise PrerequisiteError(_tell_extra(scheme)) from error
    except ValueError as error:
        raise UsageError(f"{scheme}://: {_shorten(error)}; known: {', '.join(sorted(_EXTRAS))}") from error


def _tell_extra(scheme: str) -> str:
    extra = _EXTRAS.get(scheme)
    what = f"pip install 'terminal-task-gen[{extra}]'" if extra else f"install fsspec and its driver for {scheme}://"
    return f"{scheme}:// needs a driver that is not installed: {what}"


def _shorten(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:199]}…"
