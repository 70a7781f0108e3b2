"""`diagmesh profile`: sample running instances, add them up, set one against its siblings, draw it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from cyclopts import Parameter
from rich.console import Group, RenderableType
from rich.text import Text

from diagmesh.client import Heard
from diagmesh.contract.answers.profile import Base, Keep, Profile, ProfileQuestion, ProfileType
from diagmesh.contract.mesh import Silent
from diagmesh.contract.names import check_token
from diagmesh.contract.wire import Status
from diagmesh.errors import Declined, Unreadable
from diagmesh_cli.exits import Exit
from diagmesh_cli.files import check
from diagmesh_cli.options import Labelled
from diagmesh_cli.output import Output
from diagmesh_cli.profiles import Looked, Pair, drawer, tell, write_folded, write_html
from diagmesh_cli.sampling import (
    Sampled,
    against_siblings,
    counting_down,
    keep_raw,
    question_of,
    seconds_of,
    stacks_of,
    together,
    without_files,
)
from diagmesh_cli.session import connected
from diagmesh_cli.stopping import stopped_with_us
from diagmesh_cli.targets import target_of
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.verdict import of_reply
from diagmesh_cli.views.parts import finding_lines, silent_lines
from diagmesh_cli.views.profile import VIEW
from diagmesh_cli.views.replies import page
from diagmesh_cli.wholefiles import completed

__all__ = ["profile"]

_TYPE = Literal["cpu", "heap", "allocs", "mutex", "block", "goroutine", "threadcreate"]
_TEXT = Parameter(show_default=False)
_FILE = Parameter(metavar="FILE", show_default=False)
_FLAG = Parameter(negative="", show_default=False)
_USUAL_S: Final = 5
_REST_S: Final = 10.0
"""For fetching, reading and sending, beside the sampling."""


async def profile(  # noqa: PLR0913  each is an option
    target: str,
    /,
    *,
    cpu: Annotated[str, _TEXT] = "",
    type: Annotated[_TYPE, _TEXT] = "cpu",  # noqa: A002  the option's name
    seconds: Annotated[str, _TEXT] = "",
    sample: Annotated[str, _TEXT] = "",
    focus: Annotated[str, _TEXT] = "",
    ignore: Annotated[str, _TEXT] = "",
    peek: Annotated[str, _TEXT] = "",
    lines: Annotated[bool, _FLAG] = False,
    top: int = 15,
    diff_sibling: Annotated[bool, _FLAG] = False,
    base: Annotated[Literal["previous", "baseline"] | None, _TEXT] = None,
    keep: Annotated[bool, _FLAG] = False,
    html: Annotated[Path | None, _FILE] = None,
    folded: Annotated[Path | None, _FILE] = None,
    raw: Annotated[Path | None, _FILE] = None,
    common: Labelled = Labelled(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """Where a service spends CPU and memory: all its replicas at once, added up, or one against the others.

    Args:
        target: a service, or SERVICE/INSTANCE.
        cpu: sample CPU for so long: 5s (the default), at most 30s; costs about 1 % of what is used meanwhile.
        type: another profile: heap, allocs, mutex, block, goroutine or threadcreate.
        seconds: of these, what changed within so many seconds.
        sample: which of its numbers: inuse_space, alloc_space, … Default: as pprof chooses.
        focus: only stacks with a function, file or program that matches this regular expression.
        ignore: only stacks without any that matches.
        peek: functions (a regular expression) of which callers and callees are shown.
        lines: rows for lines, too.
        top: so many rows.
        diff_sibling: what one replica (the named one, or the one with most) does that its siblings do not.
        base: compare with the look before, or with the baseline, of each instance.
        keep: make this look the baseline.
        html: draw flame graphs into this file; it opens without a network.
        folded: write the stacks into this file, a line each, for other programs that draw.
        raw: keep the files of pprof as they came; of several instances, one each.
        common: where the mesh is, how to show it.
    """
    output = Output.of(common)
    looked = Looked(sample, focus, ignore, peek, lines, max(1, min(1000, top)))
    kind, over_s = _asked_for(cpu, type, seconds)
    if base and (diff_sibling or html is not None or folded is not None):
        raise UsageError("--base is compared where the instance is: leave out --diff-sibling, --html and --folded")
    if html is not None:
        drawer()
    for file, option in ((html, "--html"), (folded, "--folded"), (raw, "--raw")):
        check(file, option)
    question = question_of(
        kind, over_s, looked, Base(base or ""), Keep.BASELINE if keep else Keep.NO, raw=not base or raw is not None
    )
    service, instance = target_of(target)
    check_token(service, "service")
    wait_s = (over_s or 0) + max(common.timeout, _REST_S)
    async with connected(common, output) as mesh:
        what, alone = f"{kind.value} profile of {target}", instance if not diff_sibling else ""
        async with (
            counting_down(output, what, over_s or 0),
            stopped_with_us(mesh, service, alone, question.token),
        ):
            if alone:
                each = [await mesh.one(Profile, service, question, instance=alone, timeout_s=wait_s)]
                silent: tuple[Silent, ...] = ()
            else:
                result = await mesh.all(Profile, question, services=(service,), labels=common.labels, timeout_s=wait_s)
                each, silent = list(result.each), result.silent
            try:
                each = await completed(mesh, each)
            except Unreadable as error:
                raise UsageError(str(error)) from None
    return _shown(each, silent, question, looked, _Wishes(target, diff_sibling, html, folded, raw), output)


class _Wishes:
    """What is to be done with what came."""

    def __init__(
        self, target: str, diff_sibling: bool, html: Path | None, folded: Path | None, raw: Path | None
    ) -> None:
        self.target, self.diff_sibling, self.html, self.folded, self.raw = target, diff_sibling, html, folded, raw


def _asked_for(cpu: str, type_: str, seconds: str) -> tuple[ProfileType, int | None]:
    if cpu and type_ != "cpu":
        raise UsageError(f"--cpu and --type {type_} are two profiles: ask for one of them")
    if cpu and seconds:
        raise UsageError("--cpu says how long already: leave out --seconds")
    if type_ == "cpu":
        return ProfileType.CPU, seconds_of(cpu or seconds or f"{_USUAL_S}s", "--cpu" if cpu else "--seconds")
    return ProfileType(type_), seconds_of(seconds, "--seconds") if seconds else None


def _shown(
    each: list[Heard[Profile]],
    silent: Sequence[Silent],
    question: ProfileQuestion,
    looked: Looked,
    wishes: _Wishes,
    output: Output,
) -> Exit:
    each.sort(key=lambda one: one.where)
    well = [one for one in each if one.problem is None]
    try:
        if wishes.raw is not None:
            for file in keep_raw(wishes.raw, well):
                output.note(f"wrote {file}")
        sampled, parts = _combined(well, question, looked, wishes, output)
    except Declined as refusal:
        raise UsageError(f"{refusal.detail}{refusal.hint and f' ({refusal.hint})'}") from None
    except Unreadable as error:
        raise UsageError(str(error)) from None
    each = [Heard(without_files(one.reply), Profile, one.hedged) for one in each]
    replies = tuple(one.reply for one in each)
    if looked.peek and not parts and well and not any(counted.peeked for one in well for counted in one.answer.counted):
        output.note(f"--peek {looked.peek}: no function matches that")
    shown = Group(*_pages(each, parts), *silent_lines(silent))
    output.show(msgspec.structs.replace(sampled, replies=replies), shown)
    if not each and not silent:
        return Exit.NOBODY
    unsure = bool(silent) or any(one.reply.status is not Status.ANSWERED for one in each)
    return Exit.UNSURE if unsure else max((of_reply(one.reply) for one in each), default=Exit.WELL)


def _pages(each: Sequence[Heard[Profile]], combined: Sequence[RenderableType]) -> Iterator[RenderableType]:
    """What replicas came to together, with what it cost and means; in full those who are not in it."""
    single = each
    if combined:
        yield from combined
        single, well = ([one for one in each if (one.problem is None) is fine] for fine in (False, True))
        if (cost := well[0].answer.cost) is not None:
            yield from (Text(), Text(f"cost for each: {cost.words}", "dim"))
        yield from finding_lines(finding for one in well for finding in one.reply.findings)
    for position, one in enumerate(single):
        yield from (*([Text()] if combined or position else []), page(one))


def _combined(
    well: list[Heard[Profile]], question: ProfileQuestion, looked: Looked, wishes: _Wishes, output: Output
) -> tuple[Sampled, list[RenderableType]]:
    """All replicas as one, or one against the others; drawn, if that is wished for."""
    stacks = stacks_of(well) if question.raw else {}
    if not stacks:
        return Sampled(replies=()), []
    name, pair = wishes.target, Pair(together(stacks))
    if wishes.diff_sibling:
        name, pair = against_siblings(stacks, wishes.target if "/" in wishes.target else "", looked)
    if wishes.html is not None:
        about = f"{question.type.value} profile; {', '.join(stacks)}"
        against = f" against {pair.base_words}" if pair.base is not None else ""
        write_html(wishes.html, f"{question.type.value} of {name}{against}", about, pair, looked)
        output.note(f"wrote {wishes.html}")
    if wishes.folded is not None:
        write_folded(wishes.folded, pair, looked)
        output.note(f"wrote {wishes.folded}")
    if len(stacks) == 1:
        return Sampled(replies=()), []
    found = tell(pair, looked, full=output.json, type_=question.type.value)
    if wishes.diff_sibling:
        return Sampled(replies=(), unlike=name, difference=found), [
            Text.assemble((name, "bold"), " against its siblings"),
            VIEW.page(found),
        ]
    head = Text.assemble((name, "bold"), f": {len(stacks)} replicas added up")
    return Sampled(replies=(), merged=found), [head, VIEW.page(found)]
