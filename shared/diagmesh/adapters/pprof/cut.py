"""What of a profile is looked at: no frames that are nobody's business, and only the stacks that were asked for."""

import re
import warnings
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from diagmesh.adapters.pprof.profile import Location, Profile
from diagmesh.errors import Declined, Unreadable

__all__ = ["MOST_PATTERN", "focused", "pattern", "pruned"]

MOST_PATTERN: Final = 500
"""Characters of a regular expression that somebody asks with."""
_NO_ARGUMENTS: Final = re.compile(r"\(anonymous namespace\)|operator\(\)|\(")


def pattern(text: str, name: str) -> "re.Pattern[str] | None":
    """A regular expression of a question; None where it is empty.

    Raises:
        Declined: it is none, or too long.
    """
    if not text:
        return None
    if len(text) > MOST_PATTERN:
        raise Declined(f"{name} has {len(text):,} characters, at most {MOST_PATTERN} are taken")
    try:
        return _compiled(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise Declined(f"{name} is no regular expression: {error}", hint="plain names need no escaping") from None


def pruned(profile: Profile) -> Profile:
    """Without the frames that the profile itself calls uninteresting, and what they call (``drop_frames``), as pprof.

    Raises:
        Unreadable: its ``drop_frames`` or ``keep_frames`` are no regular expressions.
    """
    if not profile.drop_frames:
        return profile
    drop, keep = _own(profile.drop_frames, "drop_frames"), _own(profile.keep_frames, "keep_frames")

    def unwanted(name: str) -> bool:
        short = _without_arguments(name)
        return bool(drop and drop.fullmatch(short) and not (keep and keep.fullmatch(short)))

    whole, beneath, locations = _judged(profile, unwanted)
    if not whole and not beneath:
        return profile
    samples = [sample._replace(stack=_shortened(sample.stack, whole, beneath)) for sample in profile.samples]
    return replace(profile, samples=tuple(samples), locations=locations)


def _judged(profile: Profile, unwanted: Callable[[str], bool]) -> tuple[set[int], set[int], tuple[Location, ...]]:
    """The locations that go whole, those of which only inlined lines go, and all with the lines that stay."""
    verdicts: dict[str, bool] = {}
    whole, beneath, kept = set[int](), set[int](), list(profile.locations)
    for position, location in enumerate(profile.locations):
        for inner in range(len(location.lines) - 1, -1, -1):
            name = location.lines[inner].function.name
            if name not in verdicts:
                verdicts[name] = bool(name) and unwanted(name)
            if verdicts[name]:
                beneath.add(position)
                if inner == len(location.lines) - 1:
                    whole.add(position)
                else:
                    kept[position] = location._replace(lines=location.lines[inner + 1 :])
                break
    return whole, beneath, tuple(kept)


def _shortened(stack: tuple[int, ...], whole: set[int], beneath: set[int]) -> tuple[int, ...]:
    """From the root on: what unwanted frames call goes, but not before the first frame that is wanted."""
    wanted = False
    for place in range(len(stack) - 1, -1, -1):
        if stack[place] not in beneath:
            wanted = True
        elif wanted:
            return stack[place + 1 :] if stack[place] in whole else stack[place:]
    return stack


def focused(profile: Profile, focus: str = "", ignore: str = "") -> Profile:
    """Only the stacks with a function, file or program that matches ``focus``, and with none that matches ``ignore``.

    Raises:
        Declined: one of them is no regular expression.
    """
    wanted, unwanted = pattern(focus, "focus"), pattern(ignore, "ignore")
    if wanted is None and unwanted is None:
        return profile
    out = {at for at, one in enumerate(profile.locations) if unwanted is not None and _matches(one, unwanted)}
    into = {
        at for at, one in enumerate(profile.locations) if at not in out and (wanted is None or _matches(one, wanted))
    }
    samples = [one for one in profile.samples if not into.isdisjoint(one.stack) and out.isdisjoint(one.stack)]
    return replace(profile, samples=tuple(samples))


def _matches(location: Location, wanted: "re.Pattern[str]") -> bool:
    if any(wanted.search(one.function.name) or wanted.search(one.function.file) for one in location.lines):
        return True
    return location.mapping is not None and wanted.search(location.mapping.file) is not None


def _own(text: str, name: str) -> "re.Pattern[str] | None":
    if not text:
        return None
    try:
        return _compiled(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise Unreadable("profile", f"its {name} is no regular expression: {error}") from None


def _compiled(text: str) -> "re.Pattern[str]":
    """What a later Python may make of ``[[`` is no matter of whoever asks with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(text)


def _without_arguments(name: str) -> str:
    """The name without the list of arguments that C++ puts behind it."""
    name = name.removeprefix(".")
    for found in _NO_ARGUMENTS.finditer(name):
        if found[0] == "(":
            return name[: found.start()]
    return name
