"""The page of traps names tests that exist."""

import re
from typing import Final

from support.house import ROOT

PAGE: Final = ROOT / "tests" / "integration" / "TRAPS.md"
_TESTS: Final = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)
NAMED: Final = re.compile(r"`(test_\w+)\.(test_\w+)`")


def test_every_test_on_the_page_exists() -> None:
    named = NAMED.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) > 40
    files = [*(ROOT / "tests").rglob("test_*.py")]
    there = {(file.stem, test) for file in files for test in _TESTS.findall(file.read_text(encoding="utf-8"))}
    missing = sorted(set(named) - there)
    assert missing == []


def test_every_trap_of_the_bus_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for file in ("test_bus_traps", "test_cluster", "test_traps_on_processes"):
        source = (PAGE.parent / f"{file}.py").read_text(encoding="utf-8")
        assert [test for test in _TESTS.findall(source) if f"`{file}.{test}`" not in page] == []
