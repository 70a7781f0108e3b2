"""`goroutines`: what the goroutines of a Go program do, added up by similar stack; who waits on whom; which grow.

Two kinds of knowledge are kept apart. *Known* is what Go printed. *Inferred* is what follows from it with reasons that
are named (`Holder.why`): Go prints neither who holds a lock nor, as a rule, which channel somebody waits on.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from diagmesh.contract.answers.stacks import Frame
from diagmesh.contract.measures import Measure
from diagmesh.contract.wire import Answer, Blind, Question

__all__ = [
    "Cost",
    "Cycle",
    "CycleStep",
    "DumpForm",
    "Goroutines",
    "GoroutinesQuestion",
    "Group",
    "Growth",
    "Holder",
    "HolderWhy",
    "Leak",
    "Level",
    "Member",
    "WaitAge",
    "Waited",
    "WaitedKind",
]

Count = Annotated[int | None, Measure("count")]


class Level(StrEnum):
    """When two goroutines count as alike: same places (line by line), same functions, or same innermost function."""

    EXACT = "exact"
    FUNCTIONS = "functions"
    LEAF = "leaf"


class DumpForm(StrEnum):
    """How the service told: every stack (``debug=2``), or how many goroutines share each stack.

    *counts* (``debug=1``) and *profile* (protobuf) stop the program only for an instant, and know neither states nor
    wait ages, neither who created whom nor arguments.
    """

    STACKS = "stacks"
    COUNTS = "counts"
    PROFILE = "profile"


class GoroutinesQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What to tell of the goroutines.

    ``detail``: ``brief`` leaves out the groups; ``full`` gives the numbers of up to 1,000 goroutines of each group.

    Args:
        level: when two goroutines count as alike.
        limit: so many groups, the largest first; the rest is counted.
        form: *counts* spares the service the stop for a full dump; left out, that is chosen by how many there are.
        leaks: whether to ask for Go's leak profile, where the service offers it; that runs a garbage collection there.
            Left out: once a minute at most.
    """

    level: Level = Level.FUNCTIONS
    limit: Annotated[int, Meta(ge=1, le=500)] = 20
    form: DumpForm | None = None
    leaks: bool | None = None


class WaitAge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How long the goroutines of a group have waited, seconds.

    Go counts in whole minutes, from the first garbage collection that found a goroutine waiting: each is at least so
    old. 0 is *below a minute*, or *no collection since*.
    """

    min_s: int
    median_s: int
    max_s: int


class WaitedKind(StrEnum):
    """What is waited for."""

    MUTEX = "mutex"
    RWMUTEX = "rwmutex"
    WAITGROUP = "waitgroup"
    COND = "cond"
    SEMAPHORE = "semaphore"
    CHANNEL = "channel"


class HolderWhy(StrEnum):
    """Why a goroutine is thought to hold a lock; none of these is a proof.

    *argument*: its stack shows a function that got the lock itself, and it waits for something else. *receiver*: its
    stack shows a method of the same object to which the lock belongs, and it waits for something else. *self*: it waits
    for the lock inside of two methods of that object, and nobody else is inside of one.
    """

    ARGUMENT = "argument"
    RECEIVER = "receiver"
    SELF = "self"


class Holder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A goroutine that seems to hold a lock: inferred.

    Args:
        goroutine: its number.
        frame: where it is: the service's own innermost function.
        why: what speaks for it.
        state: what it does itself.
        waits_for: address of the lock that it waits for itself; empty for none.
        waits_s: for so long at least.
    """

    goroutine: int
    frame: Frame
    why: HolderWhy
    state: str = ""
    waits_for: str = ""
    waits_s: int = 0


class Waited(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One object, or one place, on which goroutines wait.

    Args:
        kind: of what kind it is.
        state: what Go says of most of those who wait (``chan send``).
        address: of the object, as printed in the stacks; empty where Go does not print it: then those are counted
            together that wait at the same place for something of this kind.
        sure: the address was printed as certain. Go marks words that may be stale with a question mark; of a lock that
            it does not print at all, this is the address of the object on whose method it is wanted.
        waiters: how many goroutines wait.
        age: for how long.
        frame: where most of them wait: the service's own function.
        creators: which functions started most of them.
        holders: who seems to hold it: inferred; the likeliest first. Empty: nobody was found, or it has no holder.
        seen_s: for so long, by the looks of this sidecar, nobody who waited for it has got it.
        still: so many of them already waited at the look before, and for the same.
        goroutines: numbers of some of them.
    """

    kind: WaitedKind
    waiters: int
    state: str = ""
    address: str = ""
    sure: bool = True
    age: WaitAge | None = None
    frame: Frame | None = None
    creators: tuple[Frame, ...] = ()
    holders: tuple[Holder, ...] = ()
    seen_s: float | None = None
    still: int = 0
    goroutines: tuple[int, ...] = ()


class CycleStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One goroutine of a cycle, and the lock for which it waits: known. That the next one holds it: inferred.

    Args:
        goroutine: its number.
        frame: where it waits.
        waits_for: address of the lock.
        why: what speaks for the next goroutine holding it.
    """

    goroutine: int
    frame: Frame
    waits_for: str
    why: HolderWhy


class Cycle(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Goroutines each of which waits for a lock that the next one seems to hold; the last one for that of the first.

    Args:
        steps: around the cycle.
        held_up: how many more goroutines wait for one of these locks.
        seen_s: for so long, by the looks of this sidecar, nobody who waited has got any of their locks.
        waits_s: the youngest of them waits for so long at least, as Go printed it.
    """

    steps: tuple[CycleStep, ...]
    held_up: int = 0
    seen_s: float | None = None
    waits_s: int = 0


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One goroutine of a group.

    Args:
        goroutine: its number.
        waits_minutes: as Go printed it.
        waits_on: address of what it waits on, where it is known.
    """

    goroutine: int
    waits_minutes: int = 0
    waits_on: str = ""


class Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Goroutines with similar stacks.

    Args:
        count: how many.
        state: what they do or wait for, as Go says it; empty where only counts were told.
        age: how long they have waited; missing for those that do not wait.
        frames: the stack of one of them, the innermost first.
        elided_frames: so many in the middle were left out by Go; -1 where it does not say how many.
        place: the service's own innermost frame.
        created_by: where they were started.
        locked_to_thread: so many of them hold a thread for themselves.
        leaked: so many of them nothing can wake, by the leak profile.
        stacks: how many different stacks were put together here.
        members: some of them, or all.
    """

    count: int
    state: str = ""
    age: WaitAge | None = None
    frames: tuple[Frame, ...] = ()
    elided_frames: int = 0
    place: Frame | None = None
    created_by: Frame | None = None
    locked_to_thread: int = 0
    leaked: int = 0
    stacks: int = 1
    members: tuple[Member, ...] = ()


class Growth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How the goroutines of one creation site became more, look after look.

    Args:
        site: where they are started; of counts without that, where they are.
        count: how many there are now.
        before: how many there were at the first look that counts here.
        over_s: the time between.
        per_second: growth in that time.
        looks: how many looks lie in it.
        rises: at how many of them there were more than at the one before.
        falls: at how many looks that are remembered there were fewer than at the one before; growth counts from there.
        waiting: how many of them wait now.
        place: where most of them wait.
        since: when the growth was first seen.
    """

    site: Frame
    count: int
    before: int
    over_s: float
    per_second: float
    looks: int
    rises: int = 0
    falls: int = 0
    waiting: int = 0
    place: Frame | None = None
    since: datetime | None = None


class Leak(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Goroutines that nothing can wake any more, by Go's own leak profile (1.26 and later): known.

    Args:
        count: how many with this stack.
        frames: the innermost first.
        place: the service's own innermost frame.
    """

    count: int
    frames: tuple[Frame, ...] = ()
    place: Frame | None = None


class Cost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the look cost.

    Args:
        took_ms: until the last byte of the dump was there; for *stacks* the service stands still for most of it.
        read_bytes: so long was the dump.
        parse_ms: the reading of it, beside the service.
    """

    took_ms: float = 0.0
    read_bytes: int = 0
    parse_ms: float = 0.0


class Goroutines(Answer, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the goroutines of one instance do.

    Args:
        total: how many there are.
        form: how the service told.
        form_why: why it was asked in that form, where nobody asked for one.
        source: where from, without secrets.
        level: when two count as alike here.
        states: how many are in which state.
        waiting: how many wait on a lock (*Mutex*, *RWMutex*).
        oldest_wait_s: the longest wait on a lock, a channel or a WaitGroup, as far as Go tells it.
        groups: the largest first.
        groups_left_out: how many more groups there are.
        goroutines_left_out: how many goroutines are in these.
        waited: on what they wait, the most waited for first: locks, and places of channels and others.
        cycles: who waits for whom in a circle: inferred.
        growth: creation sites with more goroutines than at an earlier look, the fastest first.
        watched_s: since the first look that is remembered; missing at the first.
        looks: how many looks are remembered, this one included.
        leaks: by Go's own leak profile; missing where it was not asked for or is not offered.
        leaks_age_s: how long ago that was, when the answer to an earlier look is told again.
        leaks_offered: whether the service has that profile.
        cut: why this is not all; empty when it is.
        cost: what the look cost.
        blind: what could not be seen, why, and how to make it visible.
    """

    may_lack: ClassVar[bool] = True  # a service need not be written in Go

    total: Annotated[int, Measure("count")]
    form: DumpForm = DumpForm.STACKS
    form_why: str = ""
    source: str = ""
    level: Level = Level.FUNCTIONS
    states: dict[str, int] = {}
    waiting: Count = None
    oldest_wait_s: Annotated[int | None, Measure("s")] = None
    groups: tuple[Group, ...] = ()
    groups_left_out: int = 0
    goroutines_left_out: int = 0
    waited: tuple[Waited, ...] = ()
    cycles: tuple[Cycle, ...] = ()
    growth: tuple[Growth, ...] = ()
    watched_s: float | None = None
    looks: int = 1
    leaks: tuple[Leak, ...] | None = None
    leaks_age_s: float | None = None
    leaks_offered: bool = False
    cut: str = ""
    cost: Cost = Cost()
    blind: tuple[Blind, ...] = ()
