"""Flame graphs in a real browser: drawn from the file alone, searched, zoomed, with the colours of a difference."""

from pathlib import Path

import pytest

from diagmesh_cli.main import run
from support.chromium import chromium, looked_at
from support.png import Picture
from support.pprof import made, packed

__all__ = ["chromium"]

HOSTILE = "main.</script><img src=//leak.invalid/x.png "
NOW = [("main.main;main.work;main.hot", 700), (f"main.main;{HOSTILE}", 200), ("main.main;runtime.mallocgc", 100)]
BEFORE = [("main.main;main.work;main.hot", 100), ("main.main;main.gone", 800), ("main.main;runtime.mallocgc", 100)]
GROUND, PAPER, MARK = (bytes.fromhex(one) for one in ("f6f7f9", "ffffff", "6a1fb0"))
MORE, LESS, SAME = "red", "blue", "grey"


def drawn(folder: Path, *more: str) -> Path:
    (folder / "now.pb.gz").write_bytes(packed(made(NOW)))
    (folder / "before.pb.gz").write_bytes(packed(made(BEFORE)))
    words = [str(folder / word) if word.endswith(".gz") else word for word in more]
    assert run(["read", "profile", str(folder / "now.pb.gz"), *words, "--html", str(folder / "flames.html")]) == 0
    return folder / "flames.html"


def kind(pixel: bytes) -> str:
    red, _, blue = pixel
    if red > blue + 50:
        return MORE
    return LESS if blue > red + 50 else SAME


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (400, False)])
def test_it_draws_itself_and_asks_nobody(chromium: str, tmp_path: Path, width: int, dark: bool) -> None:
    look = looked_at(chromium, drawn(tmp_path), tmp_path, width, dark=dark)
    assert (look.requests, look.complaints) == ([], [])
    assert look.picture.width == width
    assert len(look.picture.colours()) > 100, "text has smooth edges: many shades"
    assert len(look.picture.column(width - 1)) == 1, "nothing sticks out of its margin"


def test_what_is_looked_for_is_marked(chromium: str, tmp_path: Path) -> None:
    page = drawn(tmp_path)
    plain = looked_at(chromium, page, _folder(tmp_path, "1"), 1200)
    marked = looked_at(chromium, page, _folder(tmp_path, "2"), 1200, fragment="find=main.hot")
    assert MARK not in plain.picture.colours()
    assert MARK in marked.picture.colours()
    assert marked.complaints == []


def test_a_part_fills_the_width_when_it_is_zoomed(chromium: str, tmp_path: Path) -> None:
    page = drawn(tmp_path)
    whole = looked_at(chromium, page, _folder(tmp_path, "1"), 1200).picture
    part = looked_at(chromium, page, _folder(tmp_path, "2"), 1200, fragment="zoom=main.hot").picture
    # Near the right edge only the root and main.main reach down; zoomed, what main.hot is called through does, too.
    assert len(part.column(1150) - whole.column(1150)) > 0
    assert _rows(part, 1150) > _rows(whole, 1150)


def test_a_difference_is_red_where_there_is_more_and_blue_where_there_is_less(chromium: str, tmp_path: Path) -> None:
    look = looked_at(chromium, drawn(tmp_path, "--base", "before.pb.gz"), tmp_path, 1200)
    assert look.complaints == []
    kinds = [kind(pixel) for pixel in look.picture.colours()]
    assert min(kinds.count(MORE), kinds.count(LESS), kinds.count(SAME)) > 3


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def _rows(picture: Picture, x: int) -> int:
    """How many pixels of a column are painted in the colours of boxes."""
    return sum(
        max(row[x * picture.channels : x * picture.channels + 3])
        - min(row[x * picture.channels : x * picture.channels + 3])
        > 20
        for row in picture.rows
    )
