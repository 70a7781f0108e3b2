"""What came of a chaos soak: a table for people, JSON for programs, and a page with plots for the documentation."""

import platform
import statistics
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from soak.chaos.cluster import COORDINATORS, NODES, names
from soak.chaos.growth import LIMITS, MEASURES, MOST_THREADS, Growth
from soak.chaos.judging import BAD, FULL, GRACE_S, counted
from soak.chaos.ledger import RETURN_S, SETTLE_S
from soak.chaos.monkey import BACK_S, SPARED
from soak.chaos.records import Fault
from soak.chaos.run import ASKERS, Outcome
from soak.charts import Line, Mark, chart

__all__ = ["page", "plots", "summary", "table"]

_KINDS: Final = ("sidecar", "coordinator", "server")
_ACTS: Final = ("kill", "freeze", "lame duck")
_SHOWN: Final = {
    "rss_mib": "resident memory",
    "descriptors": "open descriptors",
    "threads": "threads",
    "tasks": "asyncio tasks",
    "subscriptions": "subscriptions",
}
_SPAN_S: Final = 5.0


def kind_of(fault: Fault) -> str:
    """What sort of part it hit."""
    if fault.of_server:
        return "server"
    return "coordinator" if fault.what in COORDINATORS else "sidecar"


def table(outcome: Outcome) -> str:
    """80 columns."""
    size = f"{len(names())} instances, {len(COORDINATORS)} coordinators, {len(NODES)} servers"
    return "\n".join(
        [
            f"{_lasted(outcome):.0f} s of load and faults, seed {outcome.seed}: {size}",
            "",
            *_fault_rows(outcome),
            "",
            *_request_rows(outcome),
            "",
            *_time_rows(outcome),
            "",
            *_growth_rows(outcome.growth),
        ]
    )


def _fault_rows(outcome: Outcome) -> Iterator[str]:
    yield f"{'FAULTS':14}{'KILLED':>8}{'FROZEN':>8}{'LAME DUCK':>11}{'BACK AFTER, MEDIAN':>20}{'WORST':>8}"
    for kind in _KINDS:
        mine = [fault for fault in outcome.faults if kind_of(fault) == kind]
        counts = [sum(fault.act == act for fault in mine) for act in _ACTS]
        # Of a server: how long its clients were away, which move to another while it is down.
        after = sorted(
            at - (fault.at if fault.of_server and fault.act != "freeze" else fault.over or fault.at)
            for fault in mine
            for name, at in fault.back.items()
            if not name.startswith("server ")
        )
        back = f"{statistics.median(after):18.2f} s{after[-1]:6.2f} s" if after else ""
        yield f"{kind:14}{counts[0]:8}{counts[1]:8}{counts[2]:11}{back}"


def _request_rows(outcome: Outcome) -> Iterator[str]:
    counts = counted(outcome.judgements)
    total = sum(counts.values())
    yield f"{'REQUESTS':61}{'COUNT':>10}{'SHARE':>9}"
    good = [(what, count) for what, count in counts.most_common() if what not in BAD]
    for what, count in (*good, *((what, counts[what]) for what in BAD)):
        yield f"{what:61}{count:10}{100 * count / max(1, total):8.2f}%"
    yield f"{'all':61}{total:10}"


def _time_rows(outcome: Outcome) -> Iterator[str]:
    yield f"{'TOOK':12}{'COUNT':>8}{'P50':>12}{'P99':>12}{'WORST':>12}{'BUDGET':>12}"
    for how in dict.fromkeys(sorted(one.how for one in outcome.asked)):
        mine = [one for one in outcome.asked if one.how == how]
        took = sorted(1000 * one.took_s for one in mine)
        values = (took[len(took) // 2], took[int(len(took) * 0.99)], took[-1], 1000 * max(one.budget_s for one in mine))
        yield f"{how:12}{len(took):8}" + "".join(f"{value:9.1f} ms" for value in values)


def _growth_rows(growth: Sequence[Growth]) -> Iterator[str]:
    yield f"{'LIVED THROUGH':15}" + "".join(
        f"{word:>13}" for word in ("MEMORY MiB", "DESCRIPTORS", "THREADS", "TASKS", "SUBSCR.")
    )
    for name in dict.fromkeys(one.name for one in growth):
        mine = {one.measure: one for one in growth if one.name == name}
        cells = [f"{found.first:.4g}→{found.last:.4g}" if (found := mine.get(measure)) else "-" for measure in MEASURES]
        yield f"{name:15}" + "".join(f"{cell:>13}" for cell in cells)


def _lasted(outcome: Outcome) -> float:
    return outcome.faults_until - outcome.faults_from


# --- for programs


def summary(outcome: Outcome) -> dict[str, Any]:
    """The figures, the ledger, and every request that is no full answer; times count from the first fault."""
    zero = outcome.faults_from
    return {
        "seed": outcome.seed,
        "seconds": round(_lasted(outcome), 1),
        "python": platform.python_version(),
        "requests": dict(counted(outcome.judgements).most_common()),
        "faults": [
            {
                "number": one.number,
                "act": one.act,
                "what": one.what,
                "at_s": round(one.at - zero, 3),
                "over_s": None if one.over is None else round(one.over - zero, 3),
                "back_s": {name: round(at - zero, 3) for name, at in one.back.items()},
            }
            for one in outcome.faults
        ],
        "not_full": [
            {
                "outcome": judged.outcome,
                "why": judged.why,
                "at_s": round(one.at - zero, 3),
                "asked": msgspec.to_builtins(one),
            }
            for one, judged in zip(outcome.asked, outcome.judgements, strict=True)
            if judged.outcome != FULL
        ],
        "calm_s": [[round(began - zero, 1), round(ended - zero, 1)] for began, ended in outcome.calm],
        "growth": msgspec.to_builtins(outcome.growth),
        "complaints": outcome.complaints,
    }


# --- for the documentation


def plots(outcome: Outcome) -> dict[str, str]:
    """SVG by file name."""
    marks = [
        Mark(_KINDS.index(kind_of(one)), one.at - outcome.began, (one.over or one.at) - outcome.began)
        for one in outcome.faults
    ]
    rows = ["sidecar hurt", "coordinator hurt", "server hurt"]
    drawn = {
        f"{measure.removesuffix('_mib')}.svg": chart(
            f"{_SHOWN[measure]} of those that lived through", "MiB" if measure == "rss_mib" else "", lines, marks, rows
        )
        for measure in MEASURES
        if (lines := _lines(outcome, measure))
    }
    drawn["requests.svg"] = chart("requests a second, by outcome", "1/s", _rates(outcome), marks, rows)
    return drawn


def _lines(outcome: Outcome, measure: str) -> list[Line]:
    lines = []
    for name in (*SPARED, *ASKERS):
        points = [
            (one.at - outcome.began, float(value))
            for one in outcome.samples
            if one.name == name and (value := getattr(one, measure)) is not None
        ]
        lines.append(Line(name, points))
    return lines


def _rates(outcome: Outcome) -> list[Line]:
    groups: dict[str, dict[int, int]] = {"in full": {}, "in part": {}, "error": {}, "not explained": {}}
    for one, judged in zip(outcome.asked, outcome.judgements, strict=True):
        group = "in full" if judged.outcome == FULL else "in part"
        group = "error" if judged.outcome.startswith("error") else group
        group = "not explained" if judged.bad else group
        span = int((one.at - outcome.began) / _SPAN_S)
        groups[group][span] = groups[group].get(span, 0) + 1
    last = max((span for spans in groups.values() for span in spans), default=0)
    return [
        Line(name, [((span + 0.5) * _SPAN_S, spans.get(span, 0) / _SPAN_S) for span in range(last + 1)])
        for name, spans in groups.items()
    ]


def page(outcome: Outcome, folder: str) -> str:
    """Markdown, with the plots from a folder beside it."""
    minutes, services = _lasted(outcome) / 60, len({name.split("/")[0] for name in names()})
    limits = ", ".join(f"{_SHOWN[measure]} {limit:g}" for measure, limit in LIMITS.items())
    pictures = "\n\n".join(f"![{name.removesuffix('.svg')}]({folder}/{name})" for name in plots(outcome))
    complaints = (
        "\n".join(f"- {one}" for one in outcome.complaints) or "Nothing: every request is explained, and nothing grows."
    )
    return f"""# {minutes:.0f} minutes under fire

`make soak` runs {len(NODES)} NATS servers as a cluster with the roles of `diagmesh init`, {len(names())} sidecars of
{services} services and two coordinators; all real processes on loopback. Two askers (the Python client),
the `diagmesh` command and the `nats` command ask at a steady pace, while sidecars, coordinators and servers are killed
(`SIGKILL`) and frozen (`SIGSTOP`, 0.5 to 8 s) at random, with windows of calm in between. The same seed makes the same
acts.

## What is held against it

- Each request is **explained**: answered in full; or in part, with exactly those named as silent that were hit at that
  time, and with the right reason; or it ended with an error whose cause stands in the ledger of faults.
- An excuse is only a fault that hit the very one that is named (its process, or the server that it was connected to),
  from its instant until that one was seen to be connected and subscribed again, plus {SETTLE_S:g} s (two heartbeats).
  A coordinator may say *warming* for {RETURN_S:g} s. Whoever is not back {BACK_S:g} s after a fault was undone is a
  complaint.
- An answer for somebody who was dead or frozen all the time is **false**, a second reply of one instance a
  **duplicate**, a silent one named with another reason than what was done to it a **wrong reason**; more than
  {GRACE_S:g} s above the budget is a **hang**.
- Nothing **grows**: after the first quarter of the time (ten minutes at most) the trend (Theil and Sen, over medians of
  twenty spans) adds at most: {limits}.
  Threads: at most {MOST_THREADS}, the sum of the pools. At rest after the last fault no process has more descriptors,
  tasks or subscriptions than at rest before the first (one descriptor or task may be in use).

## Figures

Linux, Python {platform.python_version()}, seed {outcome.seed}.

```text
{table(outcome)}
```

{complaints}

{pictures}
"""
