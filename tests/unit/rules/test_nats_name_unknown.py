"""NATS-005: a name that does not exist and a resolver that is away, made in a network of its own."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from diagmesh.contract.answers.connection import Connection, Door, DoorVerdict
from support.ruling import codes, found, judge

SCRIPT = """
import asyncio, socketserver, sys, threading
import msgspec
from diagmesh.adapters.natsdoor import doors_of
from diagmesh.settings import ConnectionSettings, TargetSettings
class Nobody(socketserver.BaseRequestHandler):
    def handle(self):
        data, plug = self.request
        plug.sendto(data[:2] + b"\\x81\\x83" + data[4:6] + bytes(6) + data[12:], self.client_address)
if sys.argv[1] == "answers":
    server = socketserver.UDPServer(("127.0.0.1", 53), Nobody)
    threading.Thread(target=server.serve_forever, daemon=True).start()
given = ConnectionSettings(url="nats://nats.example:4222")
doors = asyncio.run(doors_of(TargetSettings(service="orders", connection=given), "orders/i1").knock(4, 1))
print(msgspec.json.encode(doors).decode())
"""


def looked_up(tmp_path: Path, resolver: str) -> Door:
    """A knock in a network namespace with a DNS server of its own that knows no name, or with none."""
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n", encoding="utf-8")
    inside = 'ip link set lo up && mount --bind "$1" /etc/resolv.conf && exec "$2" -c "$3" "$4"'
    words = ["unshare", "-Urnm", "sh", "-c", inside, "sh", str(conf), sys.executable, SCRIPT, resolver]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode and ("unshare" in done.stderr or "mount" in done.stderr):
        pytest.skip(f"no namespaces here: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr
    (door,) = msgspec.convert(json.loads(done.stdout), tuple[Door, ...])
    return door


@pytest.mark.parametrize(
    ("resolver", "verdict", "words"),
    [
        ("answers", DoorVerdict.NAME_UNKNOWN, "name unknown: nats.example"),
        ("away", DoorVerdict.RESOLVER_FAILS, "the resolver could not look up nats.example"),
    ],
)
def test_a_name_that_does_not_exist_is_told_apart_from_a_resolver_that_is_away(
    tmp_path: Path, resolver: str, verdict: DoorVerdict, words: str
) -> None:
    door = looked_up(tmp_path, resolver)
    assert door.verdict is verdict
    diagnosis = judge([Connection(verdict=verdict, doors=(door,))])
    assert codes(diagnosis) == ["NATS-005"]
    assert words in found(diagnosis, "NATS-005").title
