"""bespokelabs-curator, online mode: its own request and response files are what survives a crash."""

from __future__ import annotations

from typing import Any

from bespokelabs import curator
from datasets import Dataset

from benchmarks.teacher.clients.load import SYSTEM, begin, read_load, report


class Author(curator.LLM):
    def prompt(self, row: dict[str, Any]) -> list[dict[str, str]]:
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": row["prompt"]}]

    def parse(self, row: dict[str, Any], response: Any) -> dict[str, Any]:
        return {"number": row["number"], "text": response}


def main() -> None:
    load = read_load()
    rows = [{"number": number, "prompt": load.make_prompt(number)} for number in range(load.requests)]
    dataset = Dataset.from_list(rows)
    author = Author(
        model_name="mock",
        backend="openai",
        backend_params={
            "base_url": load.base_url,
            "api_key": "none",
            "max_concurrent_requests": load.in_flight,
            "max_requests_per_minute": 10_000_000,
            "max_tokens_per_minute": 10_000_000_000,
        },
    )
    started = begin()
    response = author(dataset, working_dir=str(load.folder / "curator"))
    report(load, started, results=len(response.dataset))


if __name__ == "__main__":
    main()
