"""The ring holds one process's recent past, bounded, and fits it once per sample."""

import threading

from diagmesh.adapters.ring import SampleRing
from diagmesh.target import Sample


def sample(at: float, pid: int = 1, rss: int | None = 100) -> Sample:
    return Sample(at, pid, 0.0, rss, 5, 1)


def test_it_is_bounded_and_keeps_the_youngest() -> None:
    ring = SampleRing(capacity=10)
    for at in range(100):
        ring.add(sample(float(at)))
    assert [one.at for one in ring.samples()] == [float(at) for at in range(90, 100)]


def test_another_process_begins_anew() -> None:
    ring = SampleRing()
    for at in range(5):
        ring.add(sample(float(at), pid=1))
    ring.add(sample(5.0, pid=2))
    assert [one.pid for one in ring.samples()] == [2]
    ring.clear()
    assert list(ring.samples()) == []


def test_a_window_reaches_back_from_the_last_sample() -> None:
    ring = SampleRing()
    for at in range(0, 100, 10):
        ring.add(sample(float(at)))
    assert [one.at for one in ring.samples(20)] == [70.0, 80.0, 90.0]
    assert len(ring.samples(10_000)) == 10


def test_trends_leave_out_what_was_not_readable_and_are_fitted_once_per_sample() -> None:
    ring = SampleRing()
    assert ring.trends(60).rss is None
    for at in range(20):
        ring.add(sample(float(at), rss=None if at % 3 == 0 else 1000 * at))
    trends = ring.trends(60)
    assert trends.rss is not None
    assert (trends.rss.slope, trends.rss.samples) == (1000.0, 13)
    assert trends.threads is not None
    assert trends.threads.slope == 0
    assert ring.trends(60) is trends
    ring.add(sample(20.0, rss=0))
    assert ring.trends(60) is not trends
    shorter = ring.trends(7)
    assert shorter.threads is not None
    assert shorter.threads.samples == 8


def test_readers_and_the_writer_do_not_disturb_each_other() -> None:
    ring = SampleRing(capacity=50)
    failed: list[Exception] = []

    def read() -> None:
        try:
            for _ in range(300):
                times = [one.at for one in ring.samples()]
                assert times == sorted(times)
        except (RuntimeError, AssertionError) as error:
            failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for at in range(3000):
        ring.add(sample(float(at)))
    for reader in readers:
        reader.join(20)
    assert failed == []
    assert len(ring.samples()) == 50
