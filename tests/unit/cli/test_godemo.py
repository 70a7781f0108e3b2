"""How the Go demo is built for `up`: once, by one at a time, with a fitting toolchain; else the reason in one line."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest

from diagmesh_cli.local import godemo
from diagmesh_cli.local.cache import cache_root, making
from diagmesh_cli.local.children import Family
from diagmesh_cli.local.demos import Wish, choose
from diagmesh_cli.local.godemo import NoGoDemo, build
from support.golang import Go

PROGRAM: Final = "package main\n\nfunc main() {}\n"


@pytest.fixture
async def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Family]:
    """With an empty cache of ours; the standard library of Go need not be compiled anew."""
    monkeypatch.setenv("GOCACHE", os.environ.get("GOCACHE") or str(cache_root().parent / "go-build"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "run").mkdir()
    family = Family(tmp_path / "run", tmp_path / "state.json")
    await family.open()
    yield family
    family.kill()
    await family.close()


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A Go module with two programs that needs no other."""
    source = tmp_path / "source"
    for name in ("orders", "load"):
        (source / "cmd" / name).mkdir(parents=True)
        (source / "cmd" / name / "main.go").write_text(PROGRAM)
    (source / "go.mod").write_text("module diagmesh.test/tiny\n\ngo 1.21\n")
    return source


async def test_it_is_built_once(family: Family, module: Path, go: Go) -> None:
    told: list[str] = []
    built = await build(family, told.append, module)
    assert sorted(path.name for path in built.folder.iterdir()) == ["load", "orders"]
    assert told == [f"building the Go demo with {built.version}: about a minute, and only this once"]
    assert await build(family, told.append, module) == built
    assert len(told) == 1
    assert family.children == [], "the compiler is no child that is watched"
    (module / "cmd" / "load" / "main.go").write_text(PROGRAM + "// another\n")
    assert (await build(family, told.append, module)).folder != built.folder


async def test_many_at_a_time_build_it_once(family: Family, module: Path, go: Go, tmp_path: Path) -> None:
    built = await asyncio.gather(*(build(family, lambda _: None, module) for _ in range(1)))
    others = []
    for number in range(2):
        (tmp_path / f"run{number}").mkdir()
        others.append(Family(tmp_path / f"run{number}", tmp_path / "state.json"))
        await others[-1].open()
    shutil.rmtree(built[0].folder)
    again = await asyncio.gather(*(build(one, lambda _: None, module) for one in (family, *others)))
    assert [one.folder for one in again] == [built[0].folder] * 3
    for other in others:
        await other.close()


async def test_what_does_not_compile_is_told_in_one_line(family: Family, module: Path, go: Go) -> None:
    (module / "cmd" / "load" / "main.go").write_text("package main\n\nfunc main() { nonsense }\n")
    with pytest.raises(NoGoDemo, match="undefined: nonsense") as refused:
        await build(family, lambda _: None, module)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("`go build` failed: ")
    assert [path.name for path in (cache_root() / "go").iterdir() if path.is_dir()] == []


async def test_a_toolchain_that_is_too_old_is_not_used(family: Family, module: Path, go: Go) -> None:
    (module / "go.mod").write_text("module diagmesh.test/tiny\n\ngo 1.999.0\n")
    with pytest.raises(NoGoDemo, match=r"^go1\.\d+\S* is too old, it needs go1\.999$"):
        await build(family, lambda _: None, module)


async def test_without_a_toolchain_or_sources(
    family: Family, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoGoDemo, match="deploy/demo, come with the source tree only"):
        await build(family, lambda _: None, tmp_path / "nowhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(godemo, "_USUAL_PLACES", ())
    with pytest.raises(NoGoDemo, match="there is no Go toolchain"):
        await build(family, lambda _: None, module)
    with pytest.raises(NoGoDemo):
        await choose(Wish.GO, family, lambda _: None)
    chosen = await choose(Wish.AUTO, family, lambda _: None)
    assert chosen.told.startswith("Python stand-ins, not the Go services: there is no Go toolchain")
    assert (chosen.programs, chosen.load, len(chosen.instances)) == (None, [], 3)


async def test_one_that_hangs_is_ended(
    family: Family, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_go: Callable[[str], Path]
) -> None:
    monkeypatch.setattr(godemo, "_BUILD_S", 0.5)
    fake_go("echo go version go1.99.0 linux/amd64; [ $1 = version ] || exec sleep 300")
    with pytest.raises(NoGoDemo, match=r"not built within 0\.5 s"):
        await build(family, lambda _: None, module)
    assert family.children == []


async def test_a_cache_that_cannot_be_written_is_told(
    family: Family, module: Path, tmp_path: Path, fake_go: Callable[[str], Path]
) -> None:
    fake_go("echo go version go1.99.0 linux/amd64")
    (tmp_path / "cache").write_text("no folder")
    with pytest.raises(NoGoDemo, match=r"cannot be built into .*Not a directory"):
        await build(family, lambda _: None, module)


@pytest.fixture
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a toolchain that does what the test says before the real one."""

    def make(does: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "go").write_text(f"#!/bin/sh\n{does}\n")
        (folder / "go").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return folder

    return make


async def test_half_made_is_made_anew_and_failure_leaves_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "thing"
    (tmp_path / "thing.making").mkdir()
    (tmp_path / "thing.making" / "old").touch()

    async def fail() -> None:
        async with making(kept) as fresh:
            assert fresh is not None
            assert list(fresh.iterdir()) == []
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert [path.name for path in tmp_path.iterdir()] == ["thing.lock"]
    async with making(kept) as fresh:
        assert fresh is not None
    async with making(kept) as fresh:
        assert fresh is None
