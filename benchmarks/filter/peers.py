"""What users run today on the same rows, one core each: n-grams by Aho-Corasick, near-duplicates by rensa, datatrove.

    python benchmarks/filter/peers.py RUN {ngrams,rensa,datatrove,datatrove-minhash} [--rows N]

In a virtual environment of its own, with requirements.txt. Each reads the run's
trajectories with orjson and takes the conversation after its prompt; none of them writes a corpus or applies a rule.
Prints one JSON line: rows, CPU seconds, wall seconds, peak memory, ids found.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

NGRAM = 14
SIMILARITY = 0.7
_SEPARATORS = bytes(b if chr(b).isalnum() or b == 0x5F or b >= 0x80 else 0x20 for b in range(256))
_LOWER = bytes(range(256)).lower()


def read_texts(run: Path, rows: int | None) -> Iterator[tuple[str, str]]:
    """Id and conversation."""
    shards = sorted((run / "trajectories").glob("trajectories-*.jsonl"))
    lines = (line for shard in shards for line in shard.open("rb"))
    for line in islice(lines, rows):
        row = orjson.loads(line)
        yield row["id"], "\n".join(message["content"] for message in row["messages"][1:])


def read_prompts(run: Path) -> list[str]:
    return [orjson.loads(line)["instruction"] for line in (run / "benchmark.jsonl").open("rb")]


def find_ngrams(run: Path, rows: int | None) -> tuple[int, list[str]]:
    """ahocorasick_rs over bytes: `translate`, `split`, `join`, one search."""
    import ahocorasick_rs

    def cut(text: str) -> list[bytes]:
        return text.encode().translate(_LOWER).translate(_SEPARATORS).split()

    grams = {
        b" " + b" ".join(words[i : i + NGRAM]) + b" "
        for p in read_prompts(run)
        for words in [cut(p)]
        for i in range(len(words) - NGRAM + 1)
    }
    automaton = ahocorasick_rs.BytesAhoCorasick(list(grams))
    count, found = 0, []
    for name, text in read_texts(run, rows):
        count += 1
        if automaton.find_matches_as_indexes(b" " + b" ".join(cut(text)) + b" "):
            found.append(name)
    return count, found


def find_duplicates(run: Path, rows: int | None) -> tuple[int, list[str]]:
    """rensa's deduplicator on words, its fastest form."""
    from rensa import RMinHash, RMinHashDeduplicator

    deduplicator = RMinHashDeduplicator(threshold=SIMILARITY, num_perm=128, use_lsh=True)
    count, found = 0, []
    for name, text in read_texts(run, rows):
        count += 1
        signature = RMinHash(num_perm=128, seed=42)
        signature.update(text.lower().split())
        if deduplicator.is_duplicate(name, signature):
            found.append(name)
        else:
            deduplicator.add(name, signature)
    return count, found


def run_datatrove(run: Path, rows: int | None) -> tuple[int, list[str]]:
    """datatrove's n-gram filter, on its own documents."""
    from datatrove.data import Document
    from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter, NGramsDecontIndexer

    config = NGramsDecontConfig(n_grams=NGRAM, find_query_ngrams=True, find_overlap_ngrams=False)
    folder = str(run / "datatrove")
    indexer = NGramsDecontIndexer(output_folder=folder, config=config)
    step = NGramsDecontFilter(index_folder=folder, config=config)
    step._index_hashes = {value: "prompts" for prompt in read_prompts(run) for value in indexer.compute_hashes(prompt)}
    count, found = 0, []
    for name, text in read_texts(run, rows):
        count += 1
        if step.filter(Document(text=text, id=name)) is not True:
            found.append(name)
    return count, found


def sign_with_datatrove(run: Path, rows: int | None) -> tuple[int, list[str]]:
    """datatrove's MinHash signatures of word 5-grams, the first and by far the longest of its four steps; no pairs."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig

    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    step = MinhashDedupSignature(output_folder=str(run / "datatrove"), config=config)
    texts = list(read_texts(run, rows))
    step.run(Document(text=text, id=name) for name, text in texts)
    return len(texts), []


PEERS = {
    "ngrams": find_ngrams,
    "rensa": find_duplicates,
    "datatrove": run_datatrove,
    "datatrove-minhash": sign_with_datatrove,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--rows", type=int)
    arguments = parser.parse_args()
    cpu, wall = time.process_time(), time.monotonic()
    rows, found = PEERS[arguments.peer](arguments.run, arguments.rows)
    spent = {"cpu_sec": time.process_time() - cpu, "wall_sec": time.monotonic() - wall}
    # Not ru_maxrss, which remembers the program that started this one.
    status = Path("/proc/self/status").read_text()
    memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1000
    truth: dict[str, Any] = orjson.loads((arguments.run / "truth.json").read_bytes())
    wanted = truth["contaminated" if arguments.peer in ("ngrams", "datatrove") else "duplicates"]
    hits = len(set(found) & set(wanted))
    sys.stdout.write(
        json.dumps(
            {"peer": arguments.peer, "rows": rows, **spent, "peak_mb": memory, "found": len(found), "true": hits}
        )
    )


if __name__ == "__main__":
    main()
