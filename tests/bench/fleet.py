"""``python -m bench.fleet URL FILE``: the simulated instances of an estate, with their replies from a file."""

import asyncio
import sys
from pathlib import Path

import msgspec
import uvloop

from bench.estate import KINDS, Replies
from bench.raw import Raw, connect
from diagmesh.contract.subjects import ask_all

_CONNECTIONS = 5


class _Services:
    """The services of one connection: a question brings out the replies of all instances that are not silent."""

    def __init__(self, replies: dict[str, list[bytes]]) -> None:
        self._subjects = list(replies)
        self._tails = [[b" %d\r\n%b\r\n" % (len(body), body) for body in replies[one]] for one in self._subjects]
        self._out: list[bytes] = []
        self._raw: Raw | None = None

    async def start(self, url: str) -> None:
        self._raw = await connect(url, self._take, self._flush)
        self._raw.ready.clear()
        lines = [f"SUB {subject} {sid}\r\n".encode() for sid, subject in enumerate(self._subjects)]
        self._raw.write(b"".join(lines) + b"PING\r\n")
        await asyncio.wait_for(self._raw.ready.wait(), 10)

    def _take(self, _subject: bytes, sid: int, reply: bytes, _headed: bool) -> None:
        self._out += [b"PUB " + reply + tail for tail in self._tails[sid]]

    def _flush(self) -> None:
        if self._out and self._raw is not None:
            self._raw.write(b"".join(self._out))
            self._out.clear()


async def main(url: str, file: Path) -> None:
    """Answer until ended."""
    told = msgspec.msgpack.decode(file.read_bytes(), type=Replies)
    by_subject: dict[str, list[bytes]] = {ask_all(one, kind): [] for one, _ in told.instances for kind in KINDS}
    for one in told.replies:
        by_subject[ask_all(one.service, one.kind)].append(one.body)
    subjects = list(by_subject)
    for start in range(_CONNECTIONS):
        await _Services({one: by_subject[one] for one in subjects[start::_CONNECTIONS]}).start(url)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2])))
