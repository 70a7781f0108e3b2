"""Each test of the CLI starts without settings in the environment and without a running `up` of somebody."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_up_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name in os.environ:
        if name.startswith(("NATS_", "DIAGMESH_")):
            monkeypatch.delenv(name)
