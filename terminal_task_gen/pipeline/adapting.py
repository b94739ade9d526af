"""Wires adapt mode: rows of a data set → tasks, streamed, without a teacher."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from terminal_task_gen.errors import UsageError
from terminal_task_gen.events import StageFinished
from terminal_task_gen.generate.adapters.adapter import ADAPTER_VERSION, Adapter, RowItem, list_items
from terminal_task_gen.generate.adapters.spec import load_spec
from terminal_task_gen.identity import enter_stage
from terminal_task_gen.pipeline.opening import OpenRun, open_sandboxes, pin_driver
from terminal_task_gen.records import content_digest
from terminal_task_gen.resources import data_dir
from terminal_task_gen.row_files import count_rows, read_rows
from terminal_task_gen.stage import Stage, run_stage
from terminal_task_gen.store import REJECTED, TASKS


async def adapt(run: OpenRun) -> StageFinished:
    """Rows → tasks and rejections."""
    config, chosen = run.config, run.config.generate.adapt
    if not chosen.adapter or chosen.rows is None:
        raise UsageError(
            "mode adapt needs --adapter NAME and --rows FILE (generate.adapt.adapter, generate.adapt.rows)"
        )
    spec = load_spec(chosen.adapter, data_dir("configs") / "adapters")
    total = count_rows(chosen.rows, spec.list_columns())
    total = min(total, chosen.max_rows) if chosen.max_rows else total
    async with open_sandboxes(run, [spec.image]) as factory:
        digest = await factory.get_image_digest(spec.image)
        config = pin_driver(config, factory)
        run.look_for_damage("generate")
        contents = {f"adapter {spec.name}": content_digest(spec.model_dump(mode="json")), "adapters": ADAPTER_VERSION}
        identity = enter_stage(run.directory, config, "generate", contents=contents, image_digests={spec.image: digest})
        adapter = Adapter(spec=spec, factory=factory, config=config, image_digest=digest, run_id=identity.run_id)
        rows = chosen.rows

        def list_rows() -> Iterator[RowItem]:
            return list_items(spec, read_rows(rows, spec.list_columns()), max_rows=chosen.max_rows)

        stage = Stage(
            "generate",
            list_rows,
            attrgetter("id"),
            adapter.work,
            TASKS,
            REJECTED,
            config.generate.parallel,
            total=-(-total // run.partition.count),
            takes=run.partition.takes,
        )
        return await run_stage(stage, run.directory, run.engine, run.listener, shard_bytes=config.shard_mb * 1_000_000)
