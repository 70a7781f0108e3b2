"""Profiles from files for commands: added up, compared, told in full for programs, drawn for people."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from diagmesh.adapters.pprof.cut import focused, pruned
from diagmesh.adapters.pprof.decode import decode
from diagmesh.adapters.pprof.gunzip import MOST_BYTES
from diagmesh.adapters.pprof.look import Wanted, look
from diagmesh.adapters.pprof.merge import difference
from diagmesh.adapters.pprof.profile import Profile as Stacks
from diagmesh.adapters.pprof.top import folded
from diagmesh.contract.answers.profile import Profile
from diagmesh.errors import Declined
from diagmesh_cli.files import replace
from diagmesh_cli.reading import pieces
from diagmesh_cli.trouble import UsageError

if TYPE_CHECKING:
    from diagmesh_cli.report.flame import Flames

__all__ = ["Looked", "Pair", "drawer", "read_file", "tell", "write_folded", "write_html"]


class Looked(NamedTuple):
    """What somebody wants to see of a profile."""

    sample: str = ""
    focus: str = ""
    ignore: str = ""
    peek: str = ""
    lines: bool = False
    top: int = 20


class Pair(NamedTuple):
    """A profile, and what it is compared with."""

    now: Stacks
    base: Stacks | None = None
    base_words: str = ""

    @property
    def shown(self) -> Stacks:
        """What is told: the profile, or the difference."""
        return self.now if self.base is None else difference(self.now, self.base)


def read_file(file: str) -> Stacks:
    """The profile in a file.

    Raises:
        Unreadable: it is not there, or no profile.
    """
    return decode(b"".join(pieces(file, MOST_BYTES)))


def tell(pair: Pair, looked: Looked, *, full: bool, type_: str = "") -> Profile:
    """The answer: of the sample type that was asked for, or for programs of all of them with every number.

    Args:
        pair: what was read.
        looked: what is wanted of it.
        full: every row, line and stack.
        type_: which profile it is, where that is known.

    Raises:
        Declined: a wrong expression or sample type, or profiles that cannot be compared.
        Unreadable: the profile contradicts itself.
    """
    stacks = pair.shown
    samples = [looked.sample] if looked.sample or not full else [one.type for one in stacks.types]
    wanted = Wanted(
        type=type_,
        focus=looked.focus,
        ignore=looked.ignore,
        peek=looked.peek,
        top=0 if full else looked.top,
        lines=full or looked.lines,
        folded=full,
        base=pair.base_words,
    )
    counted = tuple(look(stacks, msgspec.structs.replace(wanted, sample=one)) for one in samples)
    if looked.peek and not any(one.peeked for one in counted):
        raise Declined(f"no function in the profile matches {looked.peek!r}", hint="a part of its name is enough")
    return Profile(counted=counted, comments=stacks.comments)


def drawer() -> "Callable[[str, str, Sequence[Flames], int], str]":
    """What makes flame graphs.

    Raises:
        UsageError: its packages are not installed.
    """
    try:
        from diagmesh_cli.report.flame import flame_html  # noqa: PLC0415  its packages are an extra
    except ModuleNotFoundError as error:
        raise UsageError(f"--html needs {error.name}: install it with  pip install 'diagmesh[html]'") from None
    return flame_html


def write_html(file: Path, title: str, about: str, pair: Pair, looked: Looked) -> None:
    """Draw all sample types of a profile into one file.

    Raises:
        UsageError: the file cannot be written, or the packages for it are missing.
    """
    draw = drawer()
    from diagmesh_cli.report.flame import Flames  # noqa: PLC0415  likewise

    shown = pair.shown
    flames = []
    for one in shown.types:
        counted = tell(pair, looked._replace(sample=one.type, peek="", top=0), full=False).counted[0]
        now, base = _stacks(pair.now, one.type, looked), None
        if pair.base is not None:
            base = _stacks(pair.base, one.type, looked)
        flames.append(Flames(counted, base, now))
    replace(file, draw(title, about, flames, shown.index_of(looked.sample)).encode(), "--html")


def write_folded(file: Path, pair: Pair, looked: Looked) -> None:
    """Write the stacks of one sample type as text, a line each, for other programs that draw.

    Raises:
        UsageError: the file cannot be written.
    """
    stacks = pair.shown
    sample = stacks.types[stacks.index_of(looked.sample)].type
    counted = tell(pair, looked._replace(sample=sample, peek=""), full=True).counted[0]
    lines = [f"{stack} {number}\n" for stack, number in (counted.folded or {}).items() if stack and number]
    replace(file, "".join(lines).encode(), "--folded")


def _stacks(stacks: Stacks, sample: str, looked: Looked) -> dict[str, int]:
    return folded(focused(pruned(stacks), looked.focus, looked.ignore), stacks.index_of(sample))
