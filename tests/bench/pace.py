"""How much is measured: in full, quickly for a first impression, or just enough to see that the bench still works."""

from typing import Final

import msgspec

__all__ = ["FULL", "QUICK", "TINY", "Pace"]


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """One amount of measuring.

    Args:
        turns: how often every contestant has its turn (A B C A B C …); of the turns the median counts.
        load_s: how long one load lasts, seconds.
        mesh_s: the same for questions to a coordinator.
        rounds: gathers per turn, by the number of simulated instances.
        connected_rounds: the same, by the number of instances with a connection each.
        in_flight: requests at a time.
        judging_rounds: gathers that are judged, per turn.
        looks: looks of an agent per turn.
        stacks: of the profiles that are read.
        goroutines: of the service whose profiles are taken.
        nats: subscriptions of an instance, and consumers of a stream.
        starts: starts of each program.
        idle_s: how long its idle CPU is watched, seconds.
        settle_s: how long a process is left alone before that, seconds.
    """

    turns: int
    load_s: float
    mesh_s: float
    rounds: dict[int, int]
    connected_rounds: dict[int, int]
    in_flight: tuple[int, ...]
    judging_rounds: int
    looks: int
    stacks: tuple[int, ...]
    goroutines: tuple[int, ...]
    nats: tuple[tuple[int, int], ...]
    starts: int
    idle_s: float
    settle_s: float


FULL: Final = Pace(
    turns=3,
    load_s=0.6,
    mesh_s=1.5,
    rounds={10: 200, 100: 150, 1000: 60, 5000: 15},
    connected_rounds={100: 60, 1000: 25, 5000: 8},
    in_flight=(1, 32, 256),
    judging_rounds=20,
    looks=300,
    stacks=(1000, 20_000),
    goroutines=(100, 10_000, 100_000),
    nats=((10, 10), (10_000, 1000)),
    starts=5,
    idle_s=8.0,
    settle_s=2.0,
)
QUICK: Final = msgspec.structs.replace(
    FULL,
    turns=1,
    load_s=0.3,
    mesh_s=0.6,
    rounds={100: 50, 1000: 20},
    connected_rounds={1000: 10},
    in_flight=(1, 256),
    judging_rounds=5,
    looks=100,
    stacks=(1000,),
    goroutines=(100, 10_000),
    nats=((1000, 100),),
    starts=2,
    idle_s=2.0,
)
TINY: Final = msgspec.structs.replace(
    QUICK,
    load_s=0.1,
    mesh_s=0.1,
    rounds={10: 2},
    connected_rounds={10: 2},
    in_flight=(1, 2),
    judging_rounds=1,
    looks=3,
    stacks=(10,),
    goroutines=(100,),
    nats=((10, 10),),
    starts=1,
    idle_s=0.2,
    settle_s=0.1,
)
