"""datatrove's InferenceRunner with its checkpoints and its request cache on, through its local executor."""

from __future__ import annotations

import gzip
from typing import Any

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
from datatrove.pipeline.writers import JsonlWriter

from benchmarks.teacher.clients.load import SYSTEM, Load, begin, read_load, report


async def ask(document: Document, generate: Any) -> Any:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": document.text}]
    return await generate({"messages": messages})


def run(load: Load) -> None:
    documents = [Document(text=load.make_prompt(number), id=str(number)) for number in range(load.requests)]
    runner = InferenceRunner(
        rollout_fn=ask,
        config=InferenceConfig(
            server_type="endpoint",
            model_name_or_path="mock",
            endpoint_url=load.base_url.removesuffix("/v1"),
            max_concurrent_generations=load.in_flight,
        ),
        output_writer=JsonlWriter(
            str(load.folder / "output"), output_filename="${rank}_chunk_${chunk_index}.jsonl.gz", compression="gzip"
        ),
        checkpoints_local_dir=str(load.folder / "checkpoints"),
    )
    LocalPipelineExecutor([documents, runner], logging_dir=str(load.folder / "logs"), tasks=1, workers=1).run()


def main() -> None:
    load = read_load()
    started = begin()
    run(load)
    results = 0
    for path in (load.folder / "output").glob("*.jsonl.gz"):
        with gzip.open(path, "rb") as lines:
            results += sum(1 for _ in lines)
    report(load, started, results=results)


if __name__ == "__main__":
    main()
