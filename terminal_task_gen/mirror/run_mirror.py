"""A run's staging folder and its URL, kept alike: what is new there comes here, what is sealed here goes there.

Of each file three states are compared: here, there, and when both were last the same (journal.py). What changed on one
side alone goes to the other; a small file that changed on both is as it is there. Blocking; one call at a time.
"""

from __future__ import annotations

import filecmp
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import orjson

from terminal_task_gen.errors import StorageError, UsageError
from terminal_task_gen.mirror.journal import Journal, digest_file, read_journal, write_journal
from terminal_task_gen.mirror.remote import RemoteFolder
from terminal_task_gen.mirror.trees import pull_tree, push_tree
from terminal_task_gen.mirror.unsent import Unsent, settle_unsent
from terminal_task_gen.store import FAILED, REJECTED, TASKS, TRAJECTORIES, RunDirectory, ShardKind, explain_os_error

STAGES: tuple[tuple[ShardKind, ShardKind], ...] = ((TASKS, REJECTED), (TRAJECTORIES, FAILED))
IDENTITY = ("run.json", "config.yaml")
VIEWS = ("tasks/duplicates-*.jsonl", "trajectories/solve-rates*.jsonl", "images/**/*")
"""Small files besides, that are written anew as a whole."""
CORPUS_MARK = "manifest.json"


class Pending(NamedTuple):
    """What is here and not yet there."""

    files: int
    size_bytes: int


class RunMirror:
    """Use under the lock of `directory`."""

    def __init__(self, directory: RunDirectory, remote: RemoteFolder, notice: Callable[[str], None]) -> None:
        self._directory = directory
        self._folder = directory.path
        self._remote = remote
        self._notice = notice
        self._journal = read_journal(self._folder, remote.url)
        self._looked_at: dict[Path, tuple[int, int]] = {}
        """Small file → time and size when it was last the same as there, so as not to read it at every push."""

    @property
    def staging_id(self) -> str:
        return self._journal.staging_id

    def pull_identity(self) -> None:
        """config.yaml and run.json alone. Raises as RemoteFolder."""
        for name in IDENTITY:
            self._pull_file(name)
        write_journal(self._folder, self._journal)

    def pull(self, *, settle: bool) -> None:
        """Everything but recordings, corpus and exports.

        `settle`: rows that a dead start left here and that were made elsewhere meanwhile go; the rest is kept for the
        next push. Raises UsageError when the URL holds another run; StorageError.
        """
        self._check_same_run()
        self._refresh_corpus(needed=False)
        for name in (*IDENTITY, *self._list_remote_views()):
            self._pull_file(name)
        self._pull_logs()
        for kinds in STAGES:
            unsent: list[Unsent] = []
            news = [self._pull_shards(kind, unsent) for kind in kinds]
            if settle and (any(news) or any(one.path.suffix == ".unsent" for one in unsent)):
                sent = {kind: self._list_sent(kind) for kind in kinds}
                dropped = settle_unsent(self._directory, unsent, sent)
                if dropped:
                    self._notice(f"{dropped} rows of an earlier start here were made elsewhere meanwhile; dropped here")
        write_journal(self._folder, self._journal)

    def pull_corpus(self) -> None:
        """The corpus, if there is one there and none here that is newer."""
        self._refresh_corpus(needed=True)
        write_journal(self._folder, self._journal)

    def push(self, *, last: bool) -> None:
        """What is sealed; with `last`, corpus and log as well. Raises StorageError at the first failure: what was
        uploaded before it is noted, and the next push goes on from there.
        """
        for path in self._list_small_files():
            self._push_file(path)
        for kinds in STAGES:
            for kind in kinds:
                for path in self._list_sealed(kind):
                    self._push_shard(kind, path)
        if last:
            self._push_corpus()
            self._push_log()

    def measure_pending(self) -> Pending:
        """Of sealed shards and the corpus."""
        waiting = [path for kinds in STAGES for kind in kinds for path in self._list_sealed(kind)]
        waiting = [path for path in waiting if self._journal.shards.get(self._get_name(path)) != path.stat().st_size]
        if self._has_new_corpus():
            waiting += [path for path in self._directory.corpus_dir.rglob("*") if path.is_file()]
        waiting += [p for p in self._list_small_files() if digest_file(p) != self._journal.files.get(self._get_name(p))]
        return Pending(len(waiting), sum(path.stat().st_size for path in waiting))

    def _check_same_run(self) -> None:
        there, here = self._remote.read("run.json"), self._directory.identity_path
        if there is None or not here.is_file():
            return
        ids = [_read_run_id(there), _read_run_id(here.read_bytes())]
        if "" not in ids and ids[0] != ids[1]:
            raise UsageError(
                f"{self._remote.url} holds another run than its staging folder {self._folder}; move that folder away, "
                "or choose another --name"
            )

    def _pull_logs(self) -> None:
        """Of the other machines: they tell what the replay cache answered, and how long gates took."""
        sizes = self._remote.list_sizes("logs")
        others = {name: self._folder / name for name in sizes if name != self._own_log}
        wanted = {n: path for n, path in others.items() if not path.is_file() or path.stat().st_size != sizes[n]}
        self._remote.download_all(wanted)

    @property
    def _own_log(self) -> str:
        return f"logs/events-{self.staging_id}.jsonl"

    def _refresh_corpus(self, *, needed: bool) -> None:
        """Take the one there in place of an outdated one here; where there is none here, only if it is needed."""
        name = f"corpus/{CORPUS_MARK}"
        content = self._remote.read(name)
        if content is None:
            return
        there, here = hashlib.sha256(content).hexdigest(), digest_file(self._folder / name)
        if here and here != there and here != self._journal.files.get(name):
            return
        if here != there and (here or needed):
            pull_tree(self._remote, "corpus", self._directory.corpus_dir, CORPUS_MARK)
        self._journal = self._journal.with_file(name, there)

    def _list_remote_views(self) -> list[str]:
        folders = sorted({pattern.partition("/")[0] for pattern in VIEWS})
        names = [name for folder in folders for name in self._remote.list_sizes(folder)]
        return [name for name in names if any(_matches(name, pattern) for pattern in VIEWS)]

    def _pull_file(self, name: str) -> None:
        content = self._remote.read(name)
        if content is None:
            return
        path = self._folder / name
        here, there = digest_file(path), hashlib.sha256(content).hexdigest()
        before = self._journal.files.get(name, "")
        if here and here != there and there == before:
            return
        if here and here not in (there, before):
            self._notice(f"{name} was changed both here and at {self._remote.url}; as it is there counts")
        if here != there:
            self._replace(path, content)
        self._journal = self._journal.with_file(name, there)

    def _replace(self, path: Path, content: bytes) -> None:
        temporary = path.with_name(f"{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            temporary.replace(path)
        except OSError as error:
            raise explain_os_error(error, path) from error

    def _pull_shards(self, kind: ShardKind, unsent: list[Unsent]) -> bool:
        """Whether there were new ones; what is here alone goes on the list."""
        there = {
            name: size for name, size in self._remote.list_sizes(kind.folder).items() if _matches(name, _glob(kind))
        }
        gone = [n for n in self._journal.shards if _matches(n, _glob(kind)) and n not in there]
        if gone:
            self._notice(
                f"{len(gone)} shards are no longer at {self._remote.url} and will be uploaded again: {gone[0]}"
            )
            self._journal = self._journal.without_shards(gone)
        wanted = {name: self._folder / name for name, size in there.items() if self._is_wanted(name, size)}
        try:
            self._remote.download_all(wanted)
        except OSError as error:
            raise explain_os_error(error, self._folder) from error
        for name, path in wanted.items():
            self._journal = self._journal.with_shard(name, path.stat().st_size)
        folder = self._folder / kind.folder
        alone = [path for path in self._list_sealed(kind) if self._get_name(path) not in self._journal.shards]
        left = [*sorted(folder.glob(f"{kind.prefix}-*.jsonl.part")), *sorted(folder.glob(f"{kind.prefix}-*.unsent"))]
        unsent += [Unsent(kind, path) for path in (*alone, *left)]
        return bool(wanted)

    def _is_wanted(self, name: str, size_there: int) -> bool:
        """Whether the shard there is to replace, or become, the one here."""
        path = self._folder / name
        if not path.is_file():
            return True
        size_here, size_before = path.stat().st_size, self._journal.shards.get(name)
        if size_before is not None:
            return size_there != size_before and size_here == size_before
        if size_here == size_there and self._is_same(path, name):
            self._journal = self._journal.with_shard(name, size_here)
            return False
        path.rename(path.with_name(f"{path.name}.unsent"))
        return True

    def _list_sent(self, kind: ShardKind) -> list[Path]:
        return [path for path in self._list_sealed(kind) if self._get_name(path) in self._journal.shards]

    def _list_sealed(self, kind: ShardKind) -> list[Path]:
        return sorted((self._folder / kind.folder).glob(f"{kind.prefix}-*.jsonl"))

    def _list_small_files(self) -> list[Path]:
        found: Iterable[Path] = (self._folder / name for name in IDENTITY)
        views = (path for pattern in VIEWS for path in sorted(self._folder.glob(pattern)))
        return [path for path in (*found, *views) if path.is_file() and path.suffix != ".tmp"]

    def _push_file(self, path: Path) -> None:
        state = path.stat()
        look = (state.st_mtime_ns, state.st_size)
        if self._looked_at.get(path) == look:
            return
        name, digest = self._get_name(path), digest_file(path)
        before = self._journal.files.get(name)
        if digest != before:
            if not self._upload_file(path, name, is_first=before is None):
                return
            self._note(self._journal.with_file(name, digest))
        self._looked_at[path] = look

    def _upload_file(self, path: Path, name: str, *, is_first: bool) -> bool:
        """False when another partition began the run at the same time: its word on what the run is counts here, too."""
        try:
            self._remote.upload(path, name, create=is_first and name == "run.json")
        except FileExistsError as error:
            there = self._remote.read(name) or b""
            if _read_run_id(there) != _read_run_id(path.read_bytes()):
                raise self._tell_conflict(name) from error
            if there != path.read_bytes():
                self._replace(path, there)
                self._note(self._journal.with_file(name, digest_file(path)))
                return False
        return True

    def _push_shard(self, kind: ShardKind, path: Path) -> None:
        name, size = self._get_name(path), path.stat().st_size
        before = self._journal.shards.get(name)
        if before == size:
            return
        if kind in STAGES[1]:
            ids = {key for key, _ in self._directory.read_keys(kind, [path])}
            casts = (self._directory.recordings_dir / f"{one}.cast" for one in sorted(ids))
            self._remote.upload_all({self._get_name(cast): cast for cast in casts if cast.is_file()})
        try:
            self._remote.upload(path, name, create=before is None)
        except FileExistsError as error:
            if not self._is_same(path, name):
                raise self._tell_conflict(name) from error
        self._note(self._journal.with_shard(name, size))

    def _has_new_corpus(self) -> bool:
        digest = digest_file(self._directory.corpus_dir / CORPUS_MARK)
        return bool(digest) and digest != self._journal.files.get(f"corpus/{CORPUS_MARK}")

    def _push_corpus(self) -> None:
        if self._has_new_corpus():
            digest = push_tree(self._remote, "corpus", self._directory.corpus_dir, CORPUS_MARK)
            self._note(self._journal.with_file(f"corpus/{CORPUS_MARK}", digest))

    def _push_log(self) -> None:
        if self._directory.events_path.is_file():
            self._remote.upload(self._directory.events_path, self._own_log)

    def _note(self, journal: Journal) -> None:
        self._journal = journal
        write_journal(self._folder, self._journal)

    def _is_same(self, path: Path, name: str) -> bool:
        copy = path.with_name(f".{path.name}.there")
        try:
            self._remote.download(name, copy)
            return filecmp.cmp(path, copy, shallow=False)
        finally:
            copy.unlink(missing_ok=True)

    def _tell_conflict(self, name: str) -> StorageError:
        return StorageError(
            f"{self._remote.url}/{name} is there already and another one: another ttg writes there; what is here is "
            f"kept in {self._folder}, and the next start puts the two together"
        )

    def _get_name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()


def _glob(kind: ShardKind) -> str:
    return f"{kind.folder}/{kind.prefix}-*.jsonl"


def _matches(name: str, pattern: str) -> bool:
    folder, _, rest = pattern.partition("/")
    if rest == "**/*":
        return name.startswith(f"{folder}/")
    return name.count("/") == 1 and Path(name).match(pattern)


def _read_run_id(content: bytes) -> str:
    try:
        return str(orjson.loads(content)["run_id"])
    except (ValueError, KeyError, TypeError):
        return ""
