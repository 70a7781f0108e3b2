"""Roles and actions: every cell of the table in deploy/nats is tried on a real server.

Changed on purpose? Run with DIAGMESH_UPDATE_GOLDEN=1.
"""

import os
from pathlib import Path
from typing import Final

import pytest

from diagmesh_cli.local.permissions import LAYOUTS, Layout
from support.house import ROOT
from support.natsserver import MakeServer
from support.permitting import ACTIONS, Lab, page, permitted, try_all

PAGE: Final = ROOT / "deploy" / "nats" / "PERMISSIONS.md"
UPDATE: Final = bool(os.environ.get("DIAGMESH_UPDATE_GOLDEN"))


def section(layout: Layout) -> str:
    """What the page says about a layout."""
    text = PAGE.read_text(encoding="utf-8")
    begin = text.index(f"## Layout `{layout}`")
    end = text.find("\n## ", begin)
    return text[begin:] if end < 0 else text[begin:end]


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_every_role_can_do_its_work_and_nothing_else(
    layout: Layout, make_server: MakeServer, tmp_path: Path
) -> None:
    lab = Lab(make_server, tmp_path, layout)
    cells = await try_all(lab)
    assert len(lab.roles) * len(ACTIONS) > 400
    for role in lab.roles:
        for action, cell in zip(ACTIONS, cells[role.name], strict=True):
            assert (cell != "no") == permitted(role, action), (layout, role.name, action, cell)
    shown = page(layout, lab.roles, cells)
    if UPDATE:
        PAGE.write_text(PAGE.read_text(encoding="utf-8").replace(section(layout).rstrip(), shown.rstrip()), "utf-8")
    assert section(layout).rstrip() == shown.rstrip()
