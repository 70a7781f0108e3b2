"""The HTML report in a real browser: it opens from its file, asks nobody for anything, and is something to look at."""

from pathlib import Path

import msgspec
import pytest

from diagmesh.contract.findings import Advice, Fact, Severity
from diagmesh_cli.report.context import Made
from diagmesh_cli.reports import Reports
from support.chromium import chromium, looked_at
from support.replies import CHECK, NOW

__all__ = ["chromium"]

HOSTILE = "<img src=http://leak.invalid/x.png><script src=http://leak.invalid/x.js></script>" + "long-name-" * 30
MADE = Made(at=NOW, mesh="nats://127.0.0.1:4222", coordinator="c1", version="0.1.0")
LIGHT, DARK = bytes.fromhex("f4f5f7"), bytes.fromhex("12161d")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    advice = Advice(now=(f"![x](http://leak.invalid/y.png) {HOSTILE}",))
    seen = (Fact(what=HOSTILE, value=HOSTILE, at=HOSTILE), Fact(what="x", value=1e30, unit="bytes", limit=1.0))
    found = {"title": HOSTILE, "instances": (HOSTILE,), "advice": advice, "evidence": seen}
    worst = msgspec.structs.replace(CHECK.findings[0], **found)
    file = tmp_path / "report.html"
    check = msgspec.structs.replace(CHECK, findings=(worst, *CHECK.findings[1:]), notes=(HOSTILE,))
    Reports(html=file).write(check, MADE, Severity.WARNING)
    return file


@pytest.mark.parametrize(("width", "dark", "ground"), [(1200, False, LIGHT), (1200, True, DARK), (400, False, LIGHT)])
def test_it_opens_whole_and_asks_nobody(
    chromium: str, report: Path, tmp_path: Path, width: int, dark: bool, ground: bytes
) -> None:
    look = looked_at(chromium, report, tmp_path, width, dark=dark)
    assert look.requests == []
    assert look.complaints == []
    assert look.picture.width == width
    assert len(look.picture.colours()) > 100, "text has smooth edges: many shades"
    assert look.picture.pixel(0, 0) == ground
    assert look.picture.column(0) == look.picture.column(width - 1) == {ground}, "nothing sticks out of its margin"


def test_a_page_that_asks_and_fails_is_seen(chromium: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    policy = "<meta http-equiv='Content-Security-Policy' content=\"script-src 'none'\">"
    wide = "<body bgcolor=white><table width=3000 height=900 bgcolor=red><tr><td></table>"
    asks = "<link rel=stylesheet href=http://leak.invalid/x.css>"
    bad.write_text(f"<!doctype html>{policy}{asks}<script>1</script>{wide}")
    look = looked_at(chromium, bad, tmp_path, 400)
    assert look.requests == ["http://leak.invalid/x.css"]
    assert any("Content Security Policy" in one for one in look.complaints)
    assert bytes.fromhex("ff0000") in look.picture.column(399)
    assert len(look.picture.colours()) < 10
