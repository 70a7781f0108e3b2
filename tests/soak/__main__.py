"""``make soak``: an hour of load with kills and freezes at random; ``healthy``: ten minutes of the demo, undisturbed.

Words: ``chaos`` (the default) or ``healthy``, and for how many seconds. ``--seed N`` repeats the acts of a run of
chaos, ``--write`` keeps its figures in deploy/SOAK.md. ``--again FILE`` runs nothing: the record that such a run leaves
in build/soak/ is judged once more, by the judge as he is now.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from soak import healthy
from soak.chaos.run import Outcome, judged, soak
from soak.chaos.told import page, plots, summary, table
from support.golang import Go, GoMissing
from support.term import raise_on_term

__all__ = ["main"]

_USUAL_S: Final = 3600.0
_LEAST_S: Final = 30.0
_ROOT: Final = Path(__file__).parents[2]
_MOST_COMPLAINTS: Final = 50


def main(words: list[str]) -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser("make soak", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("chaos", "healthy"), default="chaos")
    parser.add_argument("seconds", nargs="?", type=float)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--write", action="store_true", help="keep the figures in deploy/SOAK.md")
    parser.add_argument(
        "--again", type=Path, metavar="FILE", help="judge a record once more (build/soak/record.msgpack)"
    )
    try:
        given = parser.parse_args(words)
    except SystemExit as error:
        return 64 if error.code else 0
    if given.again is not None:
        return _again(given.again, write=given.write)
    usual_s, least_s = (_USUAL_S, _LEAST_S) if given.what == "chaos" else (healthy.USUAL_S, healthy.LEAST_S)
    seconds = usual_s if given.seconds is None else given.seconds
    if not least_s <= seconds < float("inf"):
        print(f"say for how many seconds ({least_s:g} or more), or nothing for {usual_s:g}", file=sys.stderr)
        return 64
    raise_on_term()
    return healthy.main(seconds) if given.what == "healthy" else _chaos(seconds, given.seed, write=given.write)


def _chaos(seconds: float, seed: int, *, write: bool) -> int:
    try:
        nats = Go().nats_cli()
    except GoMissing as missing:
        print(f"without the nats command: {missing}", file=sys.stderr)
        nats = None
    print(f"seed {seed}: the same acts again by --seed {seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="diagmesh-soak-") as folder:
        try:
            outcome = asyncio.run(soak(Path(folder), seconds, seed, nats, lambda line: print(line, flush=True)))
        except KeyboardInterrupt:
            print("interrupted; everything that was started is ended", file=sys.stderr)
            return 130
    code = _tell(outcome, write=write)
    print(f"{time.monotonic() - began:.0f} s in all")
    return code


def _again(record: Path, *, write: bool) -> int:
    try:
        outcome = judged(msgspec.msgpack.decode(record.read_bytes(), type=Outcome))
    except (OSError, msgspec.DecodeError) as error:
        print(f"{record} is no record of a run: {error}", file=sys.stderr)
        return 64
    return _tell(outcome, write=write)


def _tell(outcome: Outcome, *, write: bool) -> int:
    print(f"\n{table(outcome)}\n")
    print(f"all figures, and the record: {_keep(outcome, write=write).relative_to(_ROOT)}")
    print("\n".join(outcome.complaints[:_MOST_COMPLAINTS]) or "every request is explained, and nothing grows")
    return 1 if outcome.complaints else 0


def _keep(outcome: Outcome, *, write: bool) -> Path:
    """Figures and plots below build/soak/, and as a page of the documentation where that is wanted."""
    folders = [_ROOT / "build" / "soak"]
    if write:
        folders.append(_ROOT / "deploy" / "soak")
        (_ROOT / "deploy" / "SOAK.md").write_text(page(outcome, "soak"), encoding="utf-8")
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in plots(outcome).items():
            (folder / name).write_text(text, encoding="utf-8")
    (folders[0] / "chaos.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary(outcome)), indent=1))
    (folders[0] / "record.msgpack").write_bytes(msgspec.msgpack.encode(outcome))
    return folders[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
