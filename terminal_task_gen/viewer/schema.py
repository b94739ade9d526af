"""The index file: tables of SQLite for what is looked up by id or by word, and columns as arrays of bytes for counting.

    meta(key, value)             version, revision, state, sizes
    shard(number, kind, path, done_bytes, head, tail)      what has been indexed of each file
    word(kind, code, text)       what stands for a number in a column
    segment(kind, first, rows, data)      columns of rows `first`…, as numpy arrays (columns.py has their types)
    trajectory(row, id)          item(row, id, request_id, title, evidence)        item: a task or a rejected draft
    trajectory_text, item_text   FTS5 without content: which words occur in which row
    superseded(row)              rejected drafts that were made anew since
    failure(…)                   rollouts that were given up
    duplicate(task_id, evidence)   tasks that are left out from the rollouts on
    ruling(id, drop, found, …)   what the corpus says of a trajectory
    damage(…)                    lines that could not be used

One process writes (builder.py), any number read at the same time (write-ahead log). One of another version is removed.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

VERSION = "2"

_TABLES = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shard(
  number INTEGER PRIMARY KEY, kind TEXT NOT NULL, path TEXT NOT NULL, done_bytes INTEGER NOT NULL,
  head_bytes INTEGER NOT NULL, head BLOB NOT NULL, tail BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS word(kind TEXT, code INTEGER, text TEXT, PRIMARY KEY(kind, code)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segment(
  kind TEXT, first INTEGER, rows INTEGER, data BLOB, PRIMARY KEY(kind, first));
CREATE TABLE IF NOT EXISTS trajectory(row INTEGER PRIMARY KEY, id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS trajectory_id ON trajectory(id);
CREATE TABLE IF NOT EXISTS item(row INTEGER PRIMARY KEY, id TEXT NOT NULL, request_id TEXT NOT NULL,
  title TEXT NOT NULL, evidence TEXT NOT NULL, given_up INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS item_id ON item(id);
CREATE INDEX IF NOT EXISTS item_request ON item(request_id);
CREATE TABLE IF NOT EXISTS superseded(row INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS failure(row INTEGER PRIMARY KEY, id TEXT NOT NULL, task_id TEXT NOT NULL,
  cause TEXT NOT NULL, reason TEXT NOT NULL, final INTEGER NOT NULL,
  shard INTEGER NOT NULL, at INTEGER NOT NULL, size INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS failure_id ON failure(id);
CREATE INDEX IF NOT EXISTS failure_task ON failure(task_id);
CREATE TABLE IF NOT EXISTS duplicate(task_id TEXT PRIMARY KEY, evidence TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ruling(id TEXT PRIMARY KEY, drop_code INTEGER NOT NULL, found INTEGER NOT NULL,
  path TEXT NOT NULL, at INTEGER NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS damage(number INTEGER PRIMARY KEY, path TEXT NOT NULL, at INTEGER NOT NULL,
  size INTEGER NOT NULL, why TEXT NOT NULL);
CREATE VIRTUAL TABLE IF NOT EXISTS trajectory_text USING fts5(
  words, content='', detail=none, columnsize=0, tokenize=ascii);
CREATE VIRTUAL TABLE IF NOT EXISTS item_text USING fts5(
  words, content='', detail=none, columnsize=0, tokenize=ascii);
"""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The index, made anew where there is none of this version. Transactions are the caller's (autocommit)."""
    connection = _open(path)
    if not _has_version(connection):
        connection.close()
        remove_index(path)
        connection = _open(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(_TABLES)
    connection.execute("INSERT OR IGNORE INTO meta VALUES('version', ?)", (VERSION,))
    for table in ("trajectory_text", "item_text"):
        connection.execute(f"INSERT INTO {table}({table}, rank) VALUES('hashsize', {32 << 20})")
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection | None:
    """None while there is no index of this version."""
    if not path.is_file():
        return None
    # Not mode=ro: a reader has to make the log's shared memory where the writer has gone.
    connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA mmap_size=268435456")
    if _has_version(connection):
        return connection
    connection.close()
    return None


def remove_index(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-65536")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


def _has_version(connection: sqlite3.Connection) -> bool:
    """A file that is no database, or of another version, has not."""
    try:
        row = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    except sqlite3.DatabaseError:
        return False
    return row is not None and row[0] == VERSION
