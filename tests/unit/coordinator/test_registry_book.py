"""What there is to write, and what news means: times are given, so nothing here waits."""

import msgspec

from diagmesh.bus.core import Entry
from diagmesh.contract.presence import Heartbeat
from diagmesh.expected import Key
from diagmesh_coordinator.registry.records import DeclaredRecord, MemberRecord
from support.desk import FORGET_AFTER_S, ORDERS, START, Desk

KEY = "member.orders.i1"


def member(entry: Entry) -> MemberRecord:
    return msgspec.json.decode(entry.value, type=MemberRecord)


def test_news_are_written_once_and_quiet_is_quiet() -> None:
    desk = Desk()
    desk.beat(labels={"zone": "a"}, host="node-7")
    (entry,) = desk.write()
    assert (entry.key, member(entry).state, member(entry).labels) == (KEY, "here", {"zone": "a"})
    for n in range(1, 12):  # 55 s of heartbeats
        desk.now += 5
        desk.beat(n=n, labels={"zone": "a"}, host="node-7")
        assert desk.write() == []


def test_last_seen_is_written_once_a_minute() -> None:
    desk = Desk()
    desk.beat()
    desk.write()
    written = 0
    for n in range(1, 121):  # ten minutes
        desk.now += 5
        desk.beat(n=n)
        written += len(desk.write())
    assert written in (9, 10)


def test_a_loss_is_written_at_once_with_its_time_and_only_once() -> None:
    desk = Desk()
    desk.beat()
    desk.write()
    desk.now += 10
    desk.beat(n=2)
    lost_at = desk.at
    desk.now += 16
    (entry,) = desk.write()
    assert member(entry).last_seen == lost_at
    desk.now += 100
    assert desk.write() == []


def test_other_labels_and_another_start_are_written() -> None:
    desk = Desk()
    desk.beat()
    desk.write()
    desk.beat(labels={"zone": "b"})
    assert [member(one).labels for one in desk.write()] == [{"zone": "b"}]
    desk.now += 5
    desk.beat(boot="b2")
    assert [member(one).boot for one in desk.write()] == ["b2"]


def test_whoever_starts_expects_those_who_were_there() -> None:
    first, second = Desk("c1"), Desk("c2")
    first.beat(labels={"zone": "a"}, kinds=("health",), server="s1")
    second.now += 300
    second.take(*first.write())
    known = second.known()
    assert (known.labels, known.beat.kinds, known.last_seen) == ({"zone": "a"}, ("health",), START)
    assert known.live(second.now)  # it had no time to be heard
    assert second.write() == []
    second.now += 6.1
    assert not known.live(second.now)
    assert second.write() == []  # nothing is known that is not written
    second.now = 1000.0 + FORGET_AFTER_S
    assert second.roster.sweep(second.now) == 1  # counted from when it was seen, not from our start


def test_who_is_lost_for_too_long_is_not_expected() -> None:
    first, second = Desk("c1"), Desk("c2")
    first.beat()
    second.now += FORGET_AFTER_S
    second.take(*first.write())
    assert len(second.roster) == 0


def test_a_goodbye_is_kept() -> None:
    first, second = Desk("c1"), Desk("c2")
    first.beat()
    entries = first.write()
    known = first.known()
    first.roster.drop(ORDERS)
    first.book.ended(known, "left", first.at)
    (end,) = first.write()
    assert (end.key, member(end).state) == (KEY, "left")
    second.take(*entries)
    second.take(end)
    assert len(second.roster) == 0
    assert first.write() == []


def test_a_goodbye_that_comes_before_the_bucket_was_read_is_kept() -> None:
    first, second = Desk("c1"), Desk("c2")
    first.beat()
    entries = first.write()
    goodbye = Heartbeat(v=1, boot="b1", bye=True)
    second.book.left(ORDERS, None, goodbye, second.now, second.at)
    assert [one.key for one in second.wanted()] == [KEY]
    second.book.clear()
    second.take(*entries)
    assert len(second.roster) == 0
    assert [member(one).state for one in second.write()] == ["left"]


def test_one_that_came_and_went_is_told_even_if_it_does_not_lie_there() -> None:
    """That nothing lies there may have been told by a replica that lags."""
    desk = Desk()
    desk.book.clear()
    desk.beat()
    known = desk.known()
    desk.roster.drop(ORDERS)
    desk.book.ended(known, "left", desk.at)
    (wanted,) = desk.wanted()
    assert (wanted.key, wanted.last) == (KEY, 0)
    assert [member(one).state for one in desk.write()] == ["left"]
    assert desk.write() == []


def forget(desk: Desk) -> None:
    known = desk.known()
    desk.roster.drop(ORDERS)
    desk.book.ended(known, "forgotten", desk.at, "UOPERATOR")


def test_a_forget_reaches_the_other_whatever_its_clock_says() -> None:
    for ahead_s in (-3600.0, 0.0, 3600.0):
        first, second = Desk("c1"), Desk("c2", ahead_s=ahead_s)
        for desk in (first, second):
            desk.beat(n=7)
        first.take(*second.write())
        for desk in (first, second):
            desk.now += 20
        forget(first)
        entries = first.write()
        assert [(member(one).state, member(one).by) for one in entries] == [("forgotten", "UOPERATOR")]
        second.take(*entries)
        assert len(second.roster) == 0, ahead_s
        assert second.write() == []


def test_a_forget_wins_over_a_last_seen_written_meanwhile() -> None:
    first, second = Desk("c1"), Desk("c2")
    first.beat(n=7)
    entries = first.write()
    second.take(*entries)
    first.now += 20
    second.now += 20
    forget(first)
    (planned,) = first.wanted()
    # The other one, which heard a little more, was faster; ours is refused, and we read what it wrote.
    second.roster.hear("orders", "i1", Heartbeat(v=1, boot="b1", n=8), second.now - 16, second.at)
    (faster,) = second.write()
    first.take(faster)
    assert len(first.roster) == 0
    (again,) = first.wanted()
    assert again.last == faster.revision > planned.last
    (end,) = first.write()
    second.take(end)
    assert len(second.roster) == 0


def test_whoever_speaks_after_a_forget_is_back() -> None:
    first, second = Desk("c1"), Desk("c2")
    first.beat(n=7)
    second.take(*first.write())
    forget(first)
    end = first.write()
    second.beat(n=8)  # heard before the word of the end came
    second.take(*end)
    (back,) = second.write()
    assert member(back).state == "here"
    assert member(back).observed > member(end[0]).observed
    first.take(back)
    assert first.known().beat.n == 8
    third = Desk("c3")
    third.take(back)
    assert len(third.roster) == 1


def test_back_before_the_end_was_written_is_no_end() -> None:
    desk = Desk()
    desk.beat()
    desk.write()
    forget(desk)
    desk.beat(boot="b2")
    assert [member(one).state for one in desk.write()] == ["here"]


def test_an_old_word_of_the_other_raises_nobody_from_the_dead() -> None:
    first, second = Desk("c1"), Desk("c2")
    for desk in (first, second):
        desk.beat(n=7)
    refreshed = second.write()
    known = first.known()
    first.roster.drop(ORDERS)  # a goodbye, which the other has not heard yet
    first.book.ended(known, "left", first.at)
    first.take(*refreshed)
    assert len(first.roster) == 0
    (end,) = first.write()
    second.take(end)
    assert len(second.roster) == 0


def test_two_that_hear_the_same_do_not_write_in_turn() -> None:
    first, second = Desk("c1"), Desk("c2", ahead_s=10.0)
    written = 0
    for n in range(120):
        for desk, other in ((first, second), (second, first)):
            desk.now += 5
            desk.beat(n=n)
            desk.revision = other.revision = max(desk.revision, other.revision)
            entries = desk.write()
            written += len(entries)
            if entries:
                other.take(*entries)
    assert written <= 12


def test_declared_replicas_are_learnt_and_end_with_those_who_declare_them() -> None:
    first, second = Desk("c1", orders=3), Desk("c2")
    second.take(*first.write())
    assert (second.roster.declared("orders"), second.roster.lacking("orders")) == (3, 3)
    assert second.write() == []
    second.now += second.book.ttl_s + 60
    second.write()
    assert second.roster.declared("orders") is None


def test_settings_that_differ_are_told_and_not_fought_over() -> None:
    first, second = Desk("c1", orders=3), Desk("c2", orders=2)
    entries = first.write()
    second.take(*entries)
    (other,) = second.write()
    told = first.take(other)
    assert told == ["replicas of orders: 3 in our settings, 2 in those of coordinator c2"]
    assert first.book.notes == tuple(told)
    assert (first.roster.declared("orders"), second.roster.declared("orders")) == (3, 2)
    assert first.write() == second.write() == []


def test_damage_is_told_once_and_written_over() -> None:
    desk = Desk()
    bad = Entry(key=KEY, value=b"\x00", revision=4)
    assert len([one for one in desk.take(bad) if one]) == 1
    assert desk.take(msgspec.structs.replace(bad, revision=5)) == [""]
    assert len(desk.book.notes) == 1
    assert len(desk.roster) == 0
    desk.beat()
    (wanted,) = desk.wanted()
    assert wanted.last == 5
    desk.write()
    assert not desk.book.notes


def test_a_value_of_a_later_version_is_left_alone() -> None:
    desk = Desk(orders=2)
    told = desk.take(
        Entry(key=KEY, value=b'{"v":2}', revision=4), Entry(key="replicas.orders", value=b'{"v":9}', revision=5)
    )
    assert all("of another version" in one for one in told)
    desk.beat()
    forgotten = desk.known()
    assert desk.write() == []
    desk.roster.drop(ORDERS)
    desk.book.ended(forgotten, "forgotten", desk.at)
    assert desk.write() == []


def test_a_flood_of_damage_is_bounded() -> None:
    desk = Desk()
    desk.take(*(Entry(key=f"x.{number}", value=b"?", revision=number + 1) for number in range(50)))
    assert len(desk.book.notes) == 10


def test_what_is_gone_from_the_bucket_is_written_again() -> None:
    desk = Desk(orders=1)
    desk.beat()
    assert len(desk.write()) == 2
    desk.take(Entry(key=KEY, value=b"", revision=9))
    assert [one.key for one in desk.wanted()] == [KEY]
    desk.book.clear()
    assert sorted(one.key for one in desk.wanted()) == [KEY, "replicas.orders"]
    assert {one.last for one in desk.wanted()} == {0}


def test_more_than_the_bucket_holds_is_counted() -> None:
    desk = Desk()
    for number in range(10_003):
        desk.beat(Key("orders", f"i{number}"))
    assert len(desk.write()) == 10_000
    assert desk.write() == []
    assert desk.book.lacks == "3 instances are more than it holds"


def test_ends_that_cannot_be_kept_until_they_are_written_are_told() -> None:
    desk = Desk()
    gone = [Key("orders", f"i{number}") for number in range(10_003)]
    for key in gone:
        desk.beat(key)
    desk.write()
    assert desk.book.lacks.startswith("3 instances")
    for key in gone:
        desk.book.ended(desk.known(key), "forgotten", desk.at)
        desk.roster.drop(key)
    told = "that 3 left or were forgotten could not be remembered until it was written (10000 at a time)"
    desk.wanted()
    assert desk.book.lacks.startswith(told)
    assert len(desk.write()) == 10_000
    assert desk.book.lacks.startswith(told), "those three still lie there"
    desk.now += desk.book.ttl_s + 1
    desk.wanted()
    assert desk.book.lacks == ""


def test_a_declared_record_says_by_whom() -> None:
    (entry,) = Desk("c1", orders=3).write()
    record = msgspec.json.decode(entry.value, type=DeclaredRecord)
    assert (record.replicas, record.by, record.v) == (3, "c1", 1)
