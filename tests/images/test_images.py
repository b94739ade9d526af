"""Image folders without an engine: finding, ordering, digesting, and what the shipped Dockerfiles must not contain."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from terminal_task_gen.errors import UsageError
from terminal_task_gen.images import (
    ImageFolder,
    digest_image,
    format_tag,
    get_ancestry,
    get_dockerfile_text,
    list_images,
    order_builds,
)
from terminal_task_gen.resources import data_dir

SHIPPED = list_images([data_dir("images")])


def put_image(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "Dockerfile").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put_image(tmp_path, "base", "ARG BASE=foreign:1", "FROM ${BASE}", "RUN lower")
    put_image(tmp_path, "middle", "ARG BASE_IMAGE=ttg-base:latest", "FROM ${BASE_IMAGE}", "RUN middle")
    put_image(tmp_path, "art", 'ARG BASE_IMAGE="ttg-middle:latest"', "FROM ${BASE_IMAGE}", "RUN upper")
    return tmp_path


def test_a_later_folder_overrides_an_earlier_one(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    put_image(other, "middle", "FROM elsewhere:2")
    images = list_images([folder, other])
    assert list(images) == ["art", "base", "middle"]
    assert images["middle"].path == other / "middle"
    assert (images["middle"].parent, images["art"].parent) == (None, "middle")


def test_what_an_image_stands_on_comes_first(folder: Path) -> None:
    images = list_images([folder])
    assert [image.name for image in get_ancestry(images, "art")] == ["base", "middle", "art"]
    assert order_builds(images, []) == ["base", "middle", "art"]
    assert order_builds(images, ["art", "base"]) == ["base", "art"]


def test_the_author_reads_the_whole_stack(folder: Path) -> None:
    text = get_dockerfile_text(list_images([folder]), "art")
    assert re.findall(r"RUN (\w+)", text) == ["lower", "middle", "upper"]


@pytest.mark.parametrize(
    ("name", "lines", "complaint"),
    [
        ("lonely", ["ARG BASE_IMAGE=ttg-nowhere:latest", "FROM ${BASE_IMAGE}"], "'nowhere', which has no folder"),
        ("ring", ["ARG BASE_IMAGE=ttg-ring:latest", "FROM ${BASE_IMAGE}"], "would stand on itself"),
    ],
)
def test_an_impossible_stack_is_named(folder: Path, name: str, lines: list[str], complaint: str) -> None:
    put_image(folder, name, *lines)
    with pytest.raises(UsageError, match=complaint):
        get_ancestry(list_images([folder]), name)


def test_bad_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist; check --images"):
        list_images([tmp_path / "none"])
    put_image(tmp_path, "Not-A-Name", "FROM x")
    with pytest.raises(UsageError, match="Not-A-Name: use lower-case"):
        list_images([tmp_path])
    with pytest.raises(UsageError, match="unknown image 'x'; known: base"):
        get_dockerfile_text(SHIPPED, "x")


def test_the_digest_follows_every_file_of_the_stack(folder: Path) -> None:
    def take() -> str:
        return digest_image(list_images([folder]), "art")

    digests = [take()]
    (folder / "art" / "extra.txt").write_text("1")
    digests.append(take())
    (folder / "base" / "ca").mkdir()
    (folder / "base" / "ca" / "own.crt").write_text("certificate")
    digests.append(take())
    digests.append(digest_image(list_images([folder]), "art", base="another:3"))
    assert len(set(digests)) == 4
    (folder / "art" / "extra.txt").chmod(0o755)
    assert take() == digests[2], "modes differ between a checkout and an installed copy"


def test_tags_take_a_registry_in_front() -> None:
    assert format_tag("security", prefix="registry.example:5000/ttg", tag="7") == (
        "registry.example:5000/ttg-security:7"
    )


@pytest.mark.parametrize("image", SHIPPED.values(), ids=SHIPPED)
def test_shipped_dockerfiles_build_anywhere(image: ImageFolder) -> None:
    for forbidden in (r"^#\s*syntax=", r"--mount=", r"<<-?['\"]?\w+", r"\bpip3? install\b", r"^ENTRYPOINT"):
        assert not re.search(forbidden, image.dockerfile, re.MULTILINE), forbidden
    assert "rm -rf /var/lib/apt/lists/*" in image.dockerfile
    assert "LABEL ttg.holds=" in image.dockerfile
    assert image.name == "base" or image.parent == "base"
