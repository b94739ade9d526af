"""URLs, folders, staging folders; and that no secret gets into a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from terminal_task_gen.config import dump_config, load_config
from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.mirror.remote import RemoteFolder
from terminal_task_gen.places import read_folder, read_url


def test_a_url_is_worked_on_in_its_staging_folder(machine: Path) -> None:
    config = load_config(None, ["storage.options.endpoint_url=http://127.0.0.1:9000"], {"output_dir": "s3://b/runs/"})
    assert config.run_url == "s3://b/runs/run" == config.run_place
    assert config.run_dir == machine / "s3" / "b" / "runs" / "run"


def test_what_is_saved_names_the_url_and_not_this_machine(tmp_path: Path, machine: Path) -> None:
    saved = tmp_path / "config.yaml"
    saved.write_text(dump_config(load_config(None, [], {"output_dir": "s3://b/runs", "name": "x"})))
    assert "output_dir: s3://b/runs\n" in saved.read_text()
    assert str(machine) not in saved.read_text()
    assert load_config(saved).run_url == "s3://b/runs/x"


def test_a_file_url_is_a_folder() -> None:
    assert read_url("file:///data/my%20runs") is None
    assert read_folder("file:///data/my%20runs") == Path("/data/my runs")
    config = load_config(None, [], {"output_dir": "file:///data/runs", "name": "x"})
    assert (config.run_url, config.run_dir) == ("", Path("/data/runs/x"))
    assert "output_dir: /data/runs\n" in dump_config(config)


@pytest.mark.parametrize("url", ["s3://key:secret@b/runs", "s3:///runs", "s3://b/runs?versionId=1", "s3://b/../x"])
def test_urls_that_cannot_be_meant_are_refused(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        load_config(None, [], {"output_dir": url})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "option",
    [
        "secret=hush",
        "key=hush",
        "token=hush",
        "client_kwargs.aws_secret_access_key=hush",
        "password=hush",
        "account_key=hush",
        "endpoint_url=http://me:hush@127.0.0.1",
    ],
)
def test_secrets_are_refused_and_not_repeated(option: str) -> None:
    with pytest.raises(UsageError, match="environment") as refused:
        load_config(None, [f"storage.options.{option}"])
    assert "hush" not in str(refused.value)


def test_options_that_are_no_secrets_are_taken() -> None:
    overrides = ["storage.options.anon=true", "storage.options.token=anon", "storage.options.profile=work"]
    assert load_config(None, overrides).storage.options == {"anon": True, "token": "anon", "profile": "work"}


def test_a_missing_driver_names_its_extra() -> None:
    with pytest.raises(PrerequisiteError, match=r"pip install 'terminal-task-gen\[gcs\]'"):
        RemoteFolder("gs://b/runs")


def test_an_unknown_kind_of_url_is_told() -> None:
    with pytest.raises(UsageError, match="known: gcs, gs, s3"):
        RemoteFolder("nothing://b/runs")
