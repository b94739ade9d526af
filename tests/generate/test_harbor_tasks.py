"""Harbor task directories: what becomes of a good one, and the reason for which each bad one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from terminal_task_gen.errors import GateError, UsageError
from terminal_task_gen.generate.harbor_tasks import HarborDirectory, find_directories, read_task, write_image
from terminal_task_gen.images import get_image, list_images
from terminal_task_gen.task import Task
from terminal_task_gen.verifier.script import read_reward
from tests.generate.harbor_directory import TOML, write_directory


def read(folder: Path) -> Task:
    return read_task(HarborDirectory(folder), 0)


def test_a_good_directory(tmp_path: Path) -> None:
    task = read(write_directory(tmp_path / "hello"))
    assert task.foreign is not None
    assert task.instruction == "# Hello\n\nWrite what `tool` prints to /work/inner/out.txt.\n"
    assert (task.title, task.domain, task.difficulty, task.tags) == (
        "acme/hello",
        "imported",
        "easy",
        ("files", "demo"),
    )
    assert [file.path for file in task.foreign.test_files] == ["test.sh"]
    assert [file.path for file in task.foreign.solution_files] == ["solve.sh"]
    assert task.foreign.verifier_env == {"LEVEL": "3"}
    limits = task.limits
    assert (limits.agent_timeout_sec, limits.verifier_timeout_sec, limits.memory_mb) == (120.0, 60.0, 512)
    assert limits.network is False
    assert task.lineage.mode == "import"


def test_ids_follow_the_content(tmp_path: Path) -> None:
    first, same = (write_directory(tmp_path / place / "hello") for place in ("a", "b"))
    other = write_directory(tmp_path / "c" / "hello", {"tests/test.sh": "#!/bin/sh\n"})
    assert read(first).id == read(same).id != read(other).id
    assert HarborDirectory(first).id == HarborDirectory(same).id != HarborDirectory(other).id
    assert read(first).image == read(other).image, "the tests are not in the image"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"task.toml": "schema ="}, "harbor_task_toml"),
        ({"instruction.md": None}, "harbor_instruction"),
        ({"instruction.md": "<!-- canary -->\n"}, "harbor_instruction"),
        ({"tests/test.sh": None, "tests/check.py": "x"}, "harbor_no_tests"),
        ({"environment/Dockerfile": None}, "harbor_no_image"),
        ({"environment/docker-compose.yaml": "services: {}"}, "harbor_compose"),
        ({"steps/one/instruction.md": "x"}, "harbor_multi_step"),
        ({"task.toml": TOML.replace('"no-network"', '"allowlist"')}, "harbor_allowlist"),
        ({"task.toml": TOML.replace("${LEVEL:-3}", "${HF_TOKEN}")}, "harbor_host_variable"),
    ],
)
def test_what_cannot_be_kept_is_refused(tmp_path: Path, files: dict[str, str | None], reason: str) -> None:
    with pytest.raises(GateError) as caught:
        read(write_directory(tmp_path / "hello", files))
    assert caught.value.reason == reason


def test_an_older_schema(tmp_path: Path) -> None:
    toml = '[environment]\ndocker_image = "acme/x:1"\nmemory = "1.5G"\nallow_internet = true\n'
    task = read(write_directory(tmp_path / "old", {"task.toml": toml, "environment/Dockerfile": None}))
    assert (task.title, task.limits.memory_mb, task.limits.network) == ("old", 1536, True)


def test_the_image_of_a_dockerfile_stands_below_one_with_a_terminal(tmp_path: Path) -> None:
    directory = HarborDirectory(write_directory(tmp_path / "hello"))
    image = read_task(directory, 0).image
    write_image(directory, image, tmp_path / "images")
    images = list_images([tmp_path / "images"])
    assert sorted(images) == [image, f"{image}_env"]
    assert get_image(images, image).parent == f"{image}_env"
    assert 'ENV GREETING="hi there"' in get_image(images, image).dockerfile
    assert (tmp_path / "images" / f"{image}_env" / "data.txt").read_text() == "42\n"


def test_a_ready_image_gets_the_loose_files_of_its_environment(tmp_path: Path) -> None:
    toml = '[environment]\ndocker_image = "acme/x:1"\nworkdir = "/srv"\n'
    directory = HarborDirectory(write_directory(tmp_path / "x", {"task.toml": toml, "environment/Dockerfile": None}))
    image = read_task(directory, 0).image
    write_image(directory, image, tmp_path / "images")
    text = get_image(list_images([tmp_path / "images"]), image).dockerfile
    assert "FROM acme/x:1" in text
    assert "COPY files/ /srv" in text
    assert (tmp_path / "images" / image / "files" / "data.txt").is_file()


def test_folders_of_tasks_are_found_once(tmp_path: Path) -> None:
    for name in ("b", "a/deep"):
        write_directory(tmp_path / name)
    found = find_directories([tmp_path, tmp_path / "b"])
    assert [directory.path.name for directory in found] == ["deep", "b"]
    (tmp_path / "empty").mkdir()
    for wrong in ("none", "empty"):
        with pytest.raises(UsageError, match=wrong):
            find_directories([tmp_path / wrong])


@pytest.mark.parametrize(
    ("json_bytes", "text_bytes", "expected"),
    [
        (None, b"0.25\n", 0.25),
        (b'{"a": 1, "b": 0}', b"1", 0.5),
        (b"0.75", None, 0.75),
        (None, b"7", 1.0),
        (None, b"-1", 0.0),
        (None, b"nan", None),
        (None, b"", None),
        (b"{}", b"1", None),
        (b'{"a": "x"}', None, None),
        (b"[", None, None),
        (None, None, None),
    ],
)
def test_rewards(json_bytes: bytes | None, text_bytes: bytes | None, expected: float | None) -> None:
    reward, complaint = read_reward(json_bytes, text_bytes)
    assert reward == expected
    assert bool(complaint) == (expected is None)
