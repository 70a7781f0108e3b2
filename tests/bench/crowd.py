"""``python -m bench.crowd URL N CONNECTIONS``: N simulated instances, each subscribed, with its reply ready."""

import asyncio
import sys

import uvloop

from bench.raw import Raw, connect
from bench.wire import SERVICE, a_reply
from diagmesh.contract.codec import encode
from diagmesh.contract.presence import Heartbeat
from diagmesh.contract.subjects import ask_all, heartbeat
from diagmesh.contract.wire import WIRE_VERSION

_AT_A_TIME = 50
_HEARTBEAT_S = 600.0


class _Members:
    """The instances of one connection."""

    def __init__(self, instances: list[str]) -> None:
        self._instances = instances
        bodies = [a_reply(instance) for instance in instances]
        self._tails = [b" %d\r\n%b\r\n" % (len(body), body) for body in bodies]
        self._out: list[bytes] = []
        self._raw: Raw | None = None

    async def start(self, url: str) -> None:
        self._raw = await connect(url, self._take, self._flush)
        lines = [f"SUB {ask_all(SERVICE, 'health')} {sid}\r\n".encode() for sid in range(len(self._instances))]
        for instance in self._instances:
            beat = encode(
                Heartbeat(v=WIRE_VERSION, boot="0123456789abcdef", interval_s=_HEARTBEAT_S, kinds=("health",))
            )
            lines.append(b"PUB %b %d\r\n%b\r\n" % (heartbeat(SERVICE, instance).encode(), len(beat), beat))
        self._raw.ready.clear()
        self._raw.write(b"".join(lines) + b"PING\r\n")
        await asyncio.wait_for(self._raw.ready.wait(), 10)

    def _take(self, _subject: bytes, sid: int, reply: bytes, _headed: bool) -> None:
        self._out.append(b"PUB " + reply + self._tails[sid])

    def _flush(self) -> None:
        if self._out and self._raw is not None:
            self._raw.write(b"".join(self._out))
            self._out.clear()


async def main(url: str, count: int, connections: int) -> None:
    """Answer until ended."""
    names = [f"i{number}" for number in range(count)]
    members = [_Members(names[start::connections]) for start in range(connections)]
    for start in range(0, connections, _AT_A_TIME):
        await asyncio.gather(*(some.start(url) for some in members[start : start + _AT_A_TIME]))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
