"""The bare `openai` client on its aiohttp transport: typed calls, as its readme has them; nothing is written."""

from __future__ import annotations

import asyncio

from openai import AsyncOpenAI, DefaultAioHttpClient

from benchmarks.teacher.clients.load import SYSTEM, Load, begin, read_load, report


async def run(load: Load) -> int:
    numbers = iter(range(load.requests))
    results = 0

    async with AsyncOpenAI(
        base_url=load.base_url, api_key="none", max_retries=0, http_client=DefaultAioHttpClient()
    ) as client:

        async def labour() -> None:
            nonlocal results
            for number in numbers:
                completion = await client.chat.completions.create(
                    model="mock",
                    messages=[
                        {"role": "system", "content": SYSTEM},
                        {"role": "user", "content": load.make_prompt(number)},
                    ],
                )
                results += bool(completion.choices[0].message.content)

        await asyncio.gather(*(labour() for _ in range(load.in_flight)))
    return results


def main() -> None:
    load = read_load()
    started = begin()
    report(load, started, results=asyncio.run(run(load)))


if __name__ == "__main__":
    main()
