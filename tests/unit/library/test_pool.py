"""Which server is tried next: many sidecars with one list do not all stand on its first server."""

from diagmesh.bus.nats.pool import Pool

URLS = [f"nats://10.0.0.{n}:4222" for n in range(8)]


def test_each_has_an_order_of_its_own_and_all_of_them() -> None:
    pools = [Pool(URLS) for _ in range(50)]
    assert len({pool.next() for pool in pools}) > 1
    assert all(sorted(pool.named) == URLS for pool in pools)


def test_whoever_was_lost_is_the_last_to_be_tried_again() -> None:
    pool = Pool(URLS[:3])
    first = [pool.next() for _ in range(3)]
    assert sorted(first) == URLS[:3]
    assert [pool.next() for _ in range(3)] == first


def test_peers_come_after_those_that_are_named_and_only_once() -> None:
    pool = Pool(URLS[:1])
    assert not pool.has_other_than(URLS[0])
    pool.learn([URLS[0], URLS[1], URLS[1]])
    assert [pool.next() for _ in range(3)] == [URLS[0], URLS[1], URLS[0]]
    assert pool.has_other_than(URLS[0])
    pool.learn([])
    assert pool.next() == URLS[0], "one that has left the cluster is no longer tried"
