"""A run that leaves nothing behind but kept replies: for `ttg generate --preview` and `ttg estimate`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from terminal_task_gen.config import Config, StorageConfig


@contextmanager
def rehearse(config: Config, *, count: int) -> Iterator[Config]:
    """The same configuration for the first `count` requests of each mode, in a temporary folder that is removed after.

    Requests are the same as the real run's, and replies are kept where it will look for them, so what a rehearsal has
    paid for is not paid again.
    """
    cache_dir = config.reply_cache_dir.absolute()
    generate = config.generate.model_copy(
        update={"count": count, "adapt": config.generate.adapt.model_copy(update={"max_rows": count})}
    )
    with tempfile.TemporaryDirectory(prefix="ttg-rehearsal-") as folder:
        yield config.model_copy(
            update={
                "output_dir": Path(folder),
                "storage": StorageConfig(),
                "generate": generate,
                "teacher": config.teacher.model_copy(update={"cache_dir": cache_dir}),
            }
        )
