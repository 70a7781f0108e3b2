"""NATS-023: the time that servers tell, against the clock of the host."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.connection import Connection, ServerClock
from diagmesh.settings import RuleSettings
from support.house import ROOT
from support.linked import linked
from support.natsserver import MakeServer
from support.ruling import codes, found, judge
from support.shifted import shifted_clock

_ACCOUNTS = """
accounts { SYS { users = [{user: sys, password: pw}] }, APP { users = [{user: app, password: pw}] } }
system_account: SYS
no_auth_user: app
"""
_LOOK = """
import asyncio, sys
from support.linked import linked
from support.ruling import codes, found

async def main():
    async with linked(observer=sys.argv[1]) as it:
        diagnosis = await it.judged()
    print(codes(diagnosis), found(diagnosis, "NATS-023").title)

asyncio.run(main())
"""


@pytest.mark.parametrize(("shift_s", "side"), [(3600, "behind"), (-100, "ahead of")])
def test_a_server_with_another_clock_is_told(make_server: MakeServer, tmp_path: Path, shift_s: int, side: str) -> None:
    with make_server(config=_ACCOUNTS) as server:
        clock = {**os.environ, **shifted_clock(tmp_path, shift_s), "PYTHONPATH": str(ROOT / "tests")}
        look = [sys.executable, "-c", _LOOK, server.url]
        said = subprocess.run(look, env=clock, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.startswith("['NATS-023'] the clock of test is ")
    assert said.endswith(f"{side} that of this host\n")


async def test_a_clock_that_is_right_is_none(make_server: MakeServer) -> None:
    with make_server(config=_ACCOUNTS) as server:
        async with linked(observer=server.url) as it:
            answer = await it.answer()
            assert codes(await it.judged()) == []
    (clock,) = answer.clocks or ()
    assert clock.server == "test"
    assert clock.low_s <= 0 <= clock.high_s


def test_what_may_be_a_slow_way_is_none_and_the_limit_may_be_set() -> None:
    slow = Connection(clocks=(ServerClock(server="n1", low_s=-0.2, high_s=3.0),))
    assert codes(judge([slow])) == []
    ahead = replace(slow, clocks=(ServerClock(server="n1", low_s=2.0, high_s=3.0),))
    finding = found(judge([ahead]), "NATS-023")
    assert finding.title == "the clock of n1 is 2 s ahead of that of this host"
    assert codes(judge([ahead], RuleSettings(code="NATS-023", limits={"most_s": 5.0}))) == []


def test_where_all_servers_differ_alike_the_own_clock_is_looked_at_first() -> None:
    both = tuple(ServerClock(server=name, low_s=-9.0, high_s=-8.0) for name in ("n1", "n2"))
    finding = found(judge([Connection(clocks=both)]), "NATS-023")
    assert finding.advice.now[0].startswith("all servers differ alike")
    other = (both[0], ServerClock(server="n2", low_s=-0.1, high_s=0.1))
    assert not found(judge([Connection(clocks=other)]), "NATS-023").advice.now[0].startswith("all servers")
