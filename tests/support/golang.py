"""The Go toolchain in tests: the real ``nats`` CLI and small Go programs, built once and cached outside the tree.

Where Go or a module is not to be had, tests that need it are skipped with the reason; with ``CI=true`` they fail.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final, NoReturn

import pytest

from support.cache import content_key, keep

__all__ = ["NATS_CLI", "Go", "GoMissing", "go", "nats_cli", "without"]

# v0.5.1 asks for modules that not every module proxy serves.
NATS_CLI: Final = "github.com/nats-io/natscli/nats@v0.5.0"
PROGRAMS: Final = Path(__file__).resolve().parent.parent / "integration" / "go"

_USUAL_PLACES: Final = ("/usr/local/go/bin/go", "/usr/lib/go/bin/go", "/opt/homebrew/bin/go")
_BUILD_S: Final = 800.0
_TEST_S: Final = 900.0


class GoMissing(Exception):
    """The Go toolchain, or a module that a build needs, is not to be had here."""


class Go:
    """A Go toolchain that was found and runs.

    Raises:
        GoMissing: there is none.
    """

    def __init__(self) -> None:
        self.path = _find()
        self.version = _run([self.path, "version"], timeout_s=30.0).strip()

    def nats_cli(self) -> Path:
        """The real ``nats`` command.

        Raises:
            GoMissing: its modules cannot be fetched or built with this toolchain.
        """
        key = content_key(self.version, NATS_CLI)

        def make(folder: Path) -> None:
            _run([self.path, "install", NATS_CLI], extra={"GOBIN": str(folder)})

        return keep(f"go/nats-{key}", make) / "nats"

    def judge(self, source: Path) -> None:
        """Vet a module, run its own tests, and look at its form.

        Raises:
            AssertionError: with the words of the tool that is not content.
        """
        _run([self.path, "mod", "download"], cwd=source)
        beside = Path(self.path).resolve().parent / "gofmt"
        gofmt = str(beside) if beside.exists() else shutil.which("gofmt")
        for command in (
            [self.path, "vet", "./..."],
            [self.path, "test", "./..."],
            *([[gofmt, "-l", "."]] if gofmt else []),
        ):
            done = subprocess.run(
                command, cwd=source, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert command[0] != gofmt or done.stdout == "", f"not formatted: {done.stdout}"

    def module(self, path: str, version: str, checksum: str) -> Path:
        """The folder of a module of others, as the module proxy has it.

        Raises:
            GoMissing: it cannot be fetched.
            AssertionError: it is another one than that of the checksum.
        """
        # In a folder without a go.mod, which would have its own word in this.
        words = _run([self.path, "mod", "download", "-json", f"{path}@{version}"], cwd=Path(tempfile.gettempdir()))
        told = json.loads(words)
        assert told["Sum"] == checksum, f"{path} {version} has the checksum {told['Sum']}"
        return Path(told["Dir"])

    def program(self, name: str, source: Path | None = None) -> Path:
        """A program of ``tests/integration/go/<name>`` (or of ``source``), built.

        Raises:
            GoMissing: a module that it needs cannot be fetched.
            AssertionError: it does not compile; with the compiler's words.
        """
        return self.programs(name, source or PROGRAMS / name, ".") / name

    def programs(self, name: str, source: Path, *what: str) -> Path:
        """The folder that holds the programs of a module, built: ``what`` are packages and flags of ``go build``.

        A program ``.`` is named ``name``, those of ``./cmd/...`` as their folders.

        Raises:
            GoMissing: a module that it needs cannot be fetched.
            AssertionError: it does not compile; with the compiler's words.
        """
        key = content_key(self.version, *what, folder=source)

        def make(out: Path) -> None:
            _run([self.path, "mod", "download"], cwd=source)
            target = str(out / name) if what == (".",) else f"{out}{os.sep}"
            try:
                _run([self.path, "build", "-trimpath", "-o", target, *what], cwd=source)
            except GoMissing as error:
                raise AssertionError(str(error)) from None

        return keep(f"go/{name}-{key}", make)


def _find() -> str:
    for candidate in (shutil.which("go"), *_USUAL_PLACES):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    raise GoMissing("no Go toolchain: neither on PATH nor in its usual places")


def _run(
    command: list[str], *, extra: dict[str, str] | None = None, cwd: Path | None = None, timeout_s: float = _BUILD_S
) -> str:
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **(extra or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GoMissing(f"{' '.join(command[1:])} took more than {timeout_s:g} s") from None
    if done.returncode:
        raise GoMissing(f"{' '.join(command[1:])} failed:\n" + "\n".join(done.stderr.splitlines()[-15:]))
    return done.stdout


def without(error: GoMissing) -> NoReturn:
    """Skip with the reason; in CI, where Go is promised, fail."""
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(f"CI has Go, but: {error}")
    pytest.skip(str(error))


@pytest.fixture(scope="session")
def go() -> Go:
    """The Go toolchain."""
    try:
        return Go()
    except GoMissing as error:
        without(error)


@pytest.fixture(scope="session")
def nats_cli(go: Go) -> Path:
    """The real ``nats`` CLI, built from its Go module."""
    try:
        return go.nats_cli()
    except GoMissing as error:
        without(error)


@pytest.fixture(scope="session")
def go_program(go: Go) -> "GoProgram":
    """Builds a program of ``tests/integration/go`` by its name."""
    return GoProgram(go)


class GoProgram:
    """Builds programs, and skips (in CI: fails) where their modules are not to be had."""

    def __init__(self, toolchain: Go) -> None:
        self._go = toolchain

    def __call__(self, name: str) -> Path:
        """Path of the built program."""
        try:
            return self._go.program(name)
        except GoMissing as error:
            without(error)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that use Go get time for a first build, and the marker ``go``."""
    for item in items:
        if {"go", "nats_cli", "go_program"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.go)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_TEST_S))
