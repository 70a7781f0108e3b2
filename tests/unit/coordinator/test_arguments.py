"""The flag of the registry wins over the file, and leaves the bucket that stands there."""

from pathlib import Path

import pytest

from diagmesh.errors import SettingsError
from diagmesh.settings import RegistrySettings
from diagmesh_coordinator.arguments import parse


def test_by_default_it_is_kept_where_that_can_be_done() -> None:
    assert parse([]).registry == RegistrySettings(keep="auto", bucket="diag_registry")


def test_the_flag_wins_over_the_file_and_keeps_its_bucket(tmp_path: Path) -> None:
    file = tmp_path / "coordinator.toml"
    file.write_text('registry = { keep = "required", bucket = "mine" }', encoding="utf-8")
    assert parse(["--config", str(file)]).registry == RegistrySettings(keep="required", bucket="mine")
    assert parse(["--config", str(file), "--registry", "off"]).registry == RegistrySettings(keep="off", bucket="mine")


def test_the_environment_can_say_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAGMESH_REGISTRY__KEEP", "required")
    assert parse([]).registry.keep == "required"


def test_a_bucket_that_is_no_name_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "coordinator.toml"
    file.write_text('registry = { bucket = "a.b" }', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"registry\.bucket"):
        parse(["--config", str(file)])
