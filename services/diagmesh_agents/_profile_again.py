"""An answer that did not fit into one message is asked for again, in chunks: the service pays once for it."""

import asyncio
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from diagmesh.contract.answers.profile import Profile, ProfileQuestion
from diagmesh.contract.codec import encode
from diagmesh.target import Target

__all__ = ["remember", "told_before"]

_SMALL_BYTES: Final = 128 << 10
"""Fits, wherever messages are not unusually short."""
_KEPT_S: Final = 10.0


class _Last(NamedTuple):
    question: ProfileQuestion
    answer: Profile
    ending: asyncio.TimerHandle


_answers: Final[WeakKeyDictionary[Target, _Last]] = WeakKeyDictionary()


def told_before(question: ProfileQuestion, target: Target) -> Profile | None:
    """What was answered to the very same question a moment ago, if that did not fit and chunks are taken now."""
    last = _answers.get(target)
    if not question.chunks or last is None or last.question != _same(question):
        return None
    last.ending.cancel()
    del _answers[target]
    return last.answer


async def remember(question: ProfileQuestion, target: Target, answer: Profile) -> None:
    """Keep an answer for a few seconds that is too large for whoever takes no chunks."""
    if question.chunks or await asyncio.to_thread(lambda: len(encode(answer))) <= _SMALL_BYTES:
        return
    if (before := _answers.get(target)) is not None:
        before.ending.cancel()
    ending = asyncio.get_running_loop().call_later(_KEPT_S, _answers.pop, target, None)
    _answers[target] = _Last(_same(question), answer, ending)


def _same(question: ProfileQuestion) -> ProfileQuestion:
    return replace(question, timeout_ms=None, chunks=False, token="")
