"""What was counted in one profile, row by row: of one instance, or of the replicas of a service added up."""

import msgspec

__all__ = ["Counted", "Edge", "Peeked", "Row"]


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was counted at one function or line.

    Args:
        function: its full name; empty where the program has no symbols.
        file: where it is written.
        line: of the row; of a function the line at which most was counted.
        flat: counted there.
        cum: counted there and in what it calls.
        flat_share: of the total.
        cum_share: of the total.
        name: as ``pprof -top`` writes it, where that is not the function alone.
    """

    function: str = ""
    file: str = ""
    line: int = 0
    flat: int
    cum: int
    flat_share: float = 0.0
    cum_share: float = 0.0
    name: str = ""


class Edge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A caller or a callee, and what is counted on that way."""

    function: str
    value: int


class Peeked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Who calls a function and whom it calls, the heaviest first."""

    function: str
    flat: int
    cum: int
    callers: tuple[Edge, ...] = ()
    callees: tuple[Edge, ...] = ()


class Counted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One sample type of one profile.

    Args:
        type: which profile; empty for a file of which nobody said so.
        sample: what is counted (``inuse_space``).
        unit: of all values.
        total: of the whole profile; in a comparison that of the base, as pprof has it.
        over_s: the time within which it was counted; None for a state (heap in use).
        per_s: the total per second; of CPU time that is the cores used.
        events: how often it happened: samples of CPU, allocations, contentions; None where nobody counts that.
        samples: how many different stacks.
        base: what it is compared with, in words; empty for no comparison. Values are then differences.
        rows: the heaviest first.
        rows_left: how many more there are; of a sum: where replicas told all of theirs, and else at least so many.
        blamed: the same by the innermost function that is none of Go's runtime: whose doing it is.
        lines: by line, where they were asked for.
        peeked: callers and callees of the functions that were asked for.
        labels: what the samples are marked with, and what each mark comes to.
        folded: stacks as text, the root first.
        service: of a sum: whose replicas were added up.
        replicas: of a sum: how many.
        short_by: of a sum: so much the flat value of a row may lack, because replicas told only their heaviest rows;
            0 where the rows are exact.
    """

    type: str = ""
    sample: str
    unit: str
    total: int
    over_s: float | None = None
    per_s: float | None = None
    events: int | None = None
    samples: int = 0
    base: str = ""
    rows: tuple[Row, ...] = ()
    rows_left: int = 0
    blamed: tuple[Row, ...] = ()
    lines: tuple[Row, ...] = ()
    peeked: tuple[Peeked, ...] = ()
    labels: dict[str, dict[str, int]] = {}
    folded: dict[str, int] | None = None
    service: str = ""
    replicas: int = 0
    short_by: int = 0
