"""``python -m bench.load URL SUBJECT IN_FLIGHT SECONDS``: so many requests always under way; prints what came of it."""

import asyncio
import sys
import time

import msgspec
import uvloop

from bench.raw import Raw, connect
from bench.wire import Load, percentile

_INBOX = b"_INBOX.bench.load."
_WARM_UP_SHARE = 0.2


class _Load:
    def __init__(self, subject: str, in_flight: int) -> None:
        self._head = b"PUB " + subject.encode() + b" " + _INBOX
        self._in_flight = in_flight
        self._sent_at = [0.0] * in_flight
        self._again: list[bytes] = []
        self._raw: Raw | None = None
        self.took_s: list[float] = []
        self.refused = 0
        self.running = True

    async def start(self, url: str) -> None:
        self._raw = await connect(url, self._take, self._flush)
        self._raw.write(b"SUB " + _INBOX + b"* 1\r\n")
        now = time.perf_counter()
        self._sent_at = [now] * self._in_flight
        self._raw.write(b"".join(self._ask(slot) for slot in range(self._in_flight)))

    def _ask(self, slot: int) -> bytes:
        return b"%b%d 0\r\n\r\n" % (self._head, slot)

    def _take(self, subject: bytes, _sid: int, _reply: bytes, refused: bool) -> None:
        slot = int(subject[len(_INBOX) :])
        now = time.perf_counter()
        self.refused += refused
        self.took_s.append(now - self._sent_at[slot])
        self._sent_at[slot] = now
        if self.running:
            self._again.append(self._ask(slot))

    def _flush(self) -> None:
        if self._again and self._raw is not None:
            self._raw.write(b"".join(self._again))
            self._again.clear()


async def main(url: str, subject: str, in_flight: int, seconds: float) -> Load:
    """Warm up, then count."""
    load = _Load(subject, in_flight)
    await load.start(url)
    await asyncio.sleep(seconds * _WARM_UP_SHARE)
    load.took_s.clear()
    print("counting", flush=True)
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    took_s, elapsed_s = list(load.took_s), time.perf_counter() - started
    print("counted", flush=True)
    load.running = False
    return Load(
        requests=len(took_s),
        refused=load.refused,
        per_second=len(took_s) / elapsed_s,
        p50_us=1e6 * percentile(took_s, 0.50),
        p99_us=1e6 * percentile(took_s, 0.99),
    )


if __name__ == "__main__":
    outcome = uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
    print(msgspec.json.encode(outcome).decode(), flush=True)
