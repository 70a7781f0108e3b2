"""Roles and actions: every cell of the table in deploy/nats is tried on a real server.

Changed on purpose? Run with DIAGMESH_UPDATE_GOLDEN=1.
"""

import os
import re
from pathlib import Path
from typing import Final

import pytest

from diagmesh_cli.local.permissions import LAYOUTS, Layout, roles
from support.house import ROOT
from support.natsserver import MakeServer
from support.permitting import ACTIONS, SERVICES, Lab, page, permitted, spelled, try_all
from support.promised import promises

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
    for role in lab.roles:
        for action, cell in zip(ACTIONS, cells[role.name], strict=True):
            assert (cell != "no") == permitted(role, action), (layout, role.name, action, cell)
    outcome = {
        (role.name, spelled(action)): cell
        for role in lab.roles
        for action, cell in zip(ACTIONS, cells[role.name], strict=True)
    }
    broken = [promise for promise in promises() if outcome[promise] == "yes"]
    assert broken == []
    shown = page(layout, lab.roles, cells)
    if UPDATE:
        PAGE.write_text(PAGE.read_text(encoding="utf-8").replace(section(layout).rstrip(), shown.rstrip()), "utf-8")
    assert section(layout).rstrip() == shown.rstrip()


def test_the_page_counts_what_is_tried() -> None:
    promised = list(promises())
    assert len(promised) == len(set(promised))
    assert len(promised) >= 73
    rows, columns = len(ACTIONS), len(roles(SERVICES))
    counted = (
        f"{rows} actions are tried by each of {columns} roles in each of {len(LAYOUTS)} layouts:"
        f" {rows * columns * len(LAYOUTS)} cells.\n{len(promised)} cells of a layout are promised besides"
    )
    text = PAGE.read_text(encoding="utf-8")
    if UPDATE:
        text = re.sub(r"\d+ actions are tried .*\n\d+ cells of a layout are promised besides", counted, text)
        PAGE.write_text(text, encoding="utf-8")
    assert counted in text
