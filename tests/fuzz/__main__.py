"""``make fuzz``: each target (or those named) under a coverage-guided fuzzer for a while; what is new is kept.

Words: names of targets, and ``--seconds N`` for each of them (60).
"""

import argparse
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fuzz.corpus import CORPUS, LONGEST_BYTES, keep
from fuzz.table import TARGETS

__all__ = ["main"]

_TESTS: Final = Path(__file__).parents[1]
_BUILD: Final = _TESTS.parent / "build" / "fuzz"
_USUAL_S: Final = 60
_FLAGS: Final = (f"-max_len={LONGEST_BYTES}", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1")
_MARGIN_S: Final = 120


def main(words: list[str]) -> int:
    """Run it; returns the exit code: 1 when a target broke."""
    parser = argparse.ArgumentParser("make fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of: {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=_USUAL_S)
    given = parser.parse_args(words)
    if unknown := set(given.targets) - TARGETS.keys():
        print(f"no such target: {', '.join(sorted(unknown))}; there are: {', '.join(TARGETS)}", file=sys.stderr)
        return 64
    if find_spec("atheris") is None:
        print("skipped: atheris is not installed (it has wheels for some versions of Python on Linux only)")
        return 0
    broken = [name for name in given.targets or TARGETS if not _fuzz(name, given.seconds)]
    print(f"broke: {', '.join(broken)}" if broken else f"nothing broke; corpus: {_size() / 1024:.0f} KiB")
    return 1 if broken else 0


def _fuzz(name: str, seconds: int) -> bool:
    """One target; returns whether it held."""
    work, artifacts = _BUILD / name, _BUILD / f"{name}-broke"
    for folder in (work, artifacts, CORPUS / name):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds):
        (work / f"seed-{number}").write_bytes(seed)
    before = set(artifacts.iterdir())
    done = _guided(
        name, f"-max_total_time={seconds}", f"-artifact_prefix={artifacts}/", work, CORPUS / name, within_s=seconds
    )
    broke = [file.read_bytes() for file in sorted(set(artifacts.iterdir()) - before)]
    held = done.returncode == 0
    runs = next((line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line), "?")
    if not held:
        print(f"\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    print(f"{name:18}{runs:>10} runs  {_keep(name, work, broke):4} kept  {'held' if held else 'BROKE'}", flush=True)
    return held


def _keep(name: str, work: Path, broke: list[bytes]) -> int:
    """Only as many inputs as are needed to reach what all of them reach, and those that broke it."""
    small = _BUILD / f"{name}-small"
    shutil.rmtree(small, ignore_errors=True)
    small.mkdir()
    _guided(name, "-merge=1", small, work, CORPUS / name, within_s=_MARGIN_S)
    return keep(name, [file.read_bytes() for file in small.iterdir()], broke)


def _guided(name: str, *words: str | Path, within_s: int) -> "subprocess.CompletedProcess[str]":
    again = _BUILD / f"{name}.sh"
    again.write_text(f'#!/bin/sh\nexec {sys.executable} -m fuzz.guided "$0" {name} "$@"\n')
    again.chmod(0o755)
    return subprocess.run(
        [again, *_FLAGS, *words],
        cwd=_TESTS,
        env={**os.environ, "PYTHONPATH": str(_TESTS)},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=within_s + _MARGIN_S,
        check=False,
    )


def _size() -> int:
    return sum(file.stat().st_size for file in CORPUS.rglob("*") if file.is_file())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
