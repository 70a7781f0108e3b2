"""Two coordinators, told anything in any order, end with the same mesh; their clocks may be a minute apart.

Who is expected is counted by the clock of whoever reads, so clocks that are wrong by ``forget_after_s`` are too wrong.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from diagmesh.contract.presence import Heartbeat
from diagmesh.expected import Key
from support.desk import Bucket, Desk

SIDECAR = ("beat", "restart", "bye")
STEPS = st.lists(
    st.tuples(
        st.sampled_from([*SIDECAR, "wait", "lose", "sync", "forget", "another coordinator"]),
        st.sampled_from([0, 1]),
        st.sampled_from(["i1", "i2"]),
    ),
    max_size=40,
)


class Pair:
    """Two coordinators that hear the same heartbeats; the second one's clock may be wrong."""

    def __init__(self, ahead_s: float) -> None:
        self.ahead_s = (0.0, ahead_s)
        self.desks = [Desk("c1"), Desk("c2", ahead_s=ahead_s)]
        self.bucket = Bucket()
        self.starts = {"i1": 0, "i2": 0}
        self.gone = set[str]()
        """Who has left or was forgotten, and was not heard since."""

    def step(self, n: int, what: str, which: int, instance: str) -> None:
        if what in SIDECAR:
            self._hear(n, what, instance)
        elif what in ("wait", "lose"):
            for desk in self.desks:
                desk.now += 3 if what == "wait" else 20
        elif what == "sync":
            self.bucket.sync(self.desks[which])
        elif what == "forget":
            self._forget(self.desks[which], instance)
        else:
            self._replace(which)

    def _hear(self, n: int, what: str, instance: str) -> None:
        key = Key("orders", instance)
        self.starts[instance] += what == "restart"
        for desk in self.desks:
            before = desk.roster.get(key)
            said = Heartbeat(v=1, boot=f"b{self.starts[instance]}", n=n, bye=what == "bye")
            desk.roster.hear(key.service, key.instance, said, desk.now, desk.at)
            if said.bye and desk.roster.get(key) is None:
                desk.book.left(key, before, said, desk.now, desk.at)
        (self.gone.add if what == "bye" else self.gone.discard)(instance)

    def _forget(self, desk: Desk, instance: str) -> None:
        known = desk.roster.get(Key("orders", instance))
        if known is not None and not known.live(desk.now):
            desk.roster.drop(known.key)
            desk.book.ended(known, "forgotten", desk.at, "UOPERATOR")
            self.gone.add(instance)

    def _replace(self, which: int) -> None:
        """It ends, in good order, and another one takes its place."""
        before = self.desks[which]
        self.bucket.sync(before)
        self.desks[which] = Desk(f"c{which + 1}", ahead_s=self.ahead_s[which])
        self.desks[which].now = before.now


@given(STEPS, st.sampled_from([-60.0, -2.0, 0.0, 2.0, 60.0]))
@settings(max_examples=300)
def test_no_forget_and_no_goodbye_is_ever_lost(steps: list[tuple[str, int, str]], ahead_s: float) -> None:
    pair = Pair(ahead_s)
    for n, step in enumerate(steps):
        pair.step(n, *step)
    for _ in range(3):
        for desk in pair.desks:
            pair.bucket.sync(desk)
    known = [{one.key.instance for one in desk.roster} for desk in pair.desks]
    assert known[0] == known[1]
    assert not known[0] & pair.gone
    assert [desk.wanted() for desk in pair.desks] == [[], []]
