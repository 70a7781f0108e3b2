"""`route`: the path of a subject as a tree: servers, what each would do with a message, and who gets it."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from diagmesh.contract.answers.route import Hop, Link, Route, RouteState, Step, StepKind
from diagmesh_cli.views.parts import MOST_ROWS, blind_lines
from diagmesh_cli.views.view import Cell, View
from diagmesh_cli.views.words import plural, took

__all__ = ["VIEW"]

_DEEPEST: Final = 32
_STYLES: Final = {
    RouteState.REACHED: "green",
    RouteState.REFUSED: "red",
    RouteState.UNSEEN: "yellow",
    RouteState.NOBODY: "red",
}
_NOBODY: Final = "nobody gets it"


def _page(answer: Route) -> RenderableType:
    hops = {hop.id: hop for hop in answer.hops}
    parts: list[RenderableType] = [_headline(answer), Text()]
    shown = set[str]()
    for hop in answer.hops:  # the first one holds the others; one that nobody sent anything stands for itself
        if hop.id not in shown:
            tree = Tree(_server(hop), guide_style="dim", highlight=False)
            _grow(tree, hop, hops, shown, 0)
            parts.append(tree)
    if answer.left_out:
        parts.append(Text(f"… and {plural(answer.left_out, 'further server')}", "dim"))
    return Group(*parts, *blind_lines(answer.blind))


def _grow(tree: Tree, hop: Hop, hops: dict[str, Hop], shown: set[str], deep: int) -> None:
    shown.add(hop.id)
    steps = [*_bounded(hop.steps)]
    for step in steps:
        branch = tree.add(_step(step))
        behind = hops.get(step.hop) if step.hop else None
        if behind is not None and behind.id not in shown and deep < _DEEPEST:
            _grow(branch.add(_server(behind)), behind, hops, shown, deep + 1)
    if more := hop.left_out + len(hop.steps) - len(steps):
        tree.add(Text(f"… and {plural(more, 'further step')} (--json shows more)", "dim"))
    if not hop.steps:
        tree.add(Text("nobody listens here", "yellow"))


def _bounded(steps: Sequence[Step]) -> Iterator[Step]:
    """The first of those who just get it, and whatever else happens, in its order."""
    alike = 0
    for step in steps:
        plain = step.kind is StepKind.DELIVERED and not step.error
        alike += plain
        if not plain or alike <= MOST_ROWS:
            yield step


def _headline(answer: Route) -> Text:
    text = Text.assemble((answer.subject, "bold"), " · ")
    if answer.state is RouteState.NOBODY:
        text.append("nobody listens", _STYLES[answer.state])
    else:
        text.append(answer.state.value, _STYLES[answer.state]).append(f": {_who(answer)}")
    return text.append("; nothing was delivered")


def _who(answer: Route) -> str:
    parts = []
    if answer.receivers:
        parts.append(plural(answer.receivers, "subscription"))
    if answer.streams:
        parts.append(plural(answer.streams, "stream"))
    told = " and ".join(parts) + (" gets it" if answer.receivers + answer.streams == 1 else " get it") if parts else ""
    told = told or ("nobody is seen" if answer.state is RouteState.UNSEEN else _NOBODY)
    refused = f", {plural(answer.refusals, 'refusal')} by permissions" if answer.refusals else ""
    return f"{told}{refused}"


def _server(hop: Hop) -> Text:
    text = Text.assemble(("server ", "dim"), (hop.server or "without a name", "bold"))
    more = [one for one in (hop.version, hop.cluster and f"cluster {hop.cluster}") if one]
    if more:
        text.append(f" ({', '.join(more)})", "dim")
    text.append(f" account {hop.account}")
    return text.append(f" +{_short(hop.travel_ms)}", "dim") if hop.travel_ms is not None else text


def _step(step: Step) -> Text:
    text = Text(" ".join(_words(step)), "" if not step.error else "red")
    if step.queue:
        text.append(f" as one of queue {step.queue}")
    text.append(f" {_short(step.after_ms)}", "dim")
    return text.append(f": {step.error}", "red") if step.error else text


def _words(step: Step) -> Iterator[str]:
    who = step.name or (f"connection {step.cid}" if step.cid else "itself")
    if step.kind is StepKind.MAPPED:
        yield f"mapped to {step.subject}"
    elif step.kind is StepKind.IMPORTED:
        yield f"service of account {step.account}, as {step.subject}"
    elif step.kind is StepKind.EXPORTED:
        yield f"stream import of account {step.account}, as {step.subject}"
    elif step.kind is StepKind.STORED:
        yield f"stream {who}"
    elif step.kind is StepKind.FORWARDED:
        yield f"→ {step.link or Link.ROUTE} to {who}"
    else:
        yield f"→ {who} ({step.subject})"


def _short(ms: float) -> str:
    """Inside a server all of it takes microseconds."""
    return took(ms) if ms >= 1 else f"{1000 * ms:.0f} µs"


def _row(answer: Route) -> tuple[Cell, ...]:
    return answer.subject, Text(answer.state.value, _STYLES[answer.state]), _who(answer)


VIEW: Final = View(answer=Route, columns=("SUBJECT", "STATE", "WHO"), row=_row, page=_page)
