"""Moments of nats-servers out of files: a folder of moments, a folder that is one, or one file."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from diagmesh.adapters.natsmon import BadReply
from diagmesh.adapters.natsmon.picture import picture, seen_of
from diagmesh.adapters.natsmon.replies import Replies
from diagmesh.adapters.natsmon.saved import bare, parse_moment, part_of, replies_of
from diagmesh.adapters.natsmon.saved_streams import streams_of
from diagmesh.contract.answers.server import Server
from diagmesh.contract.answers.streams import Streams
from diagmesh.errors import Unreadable
from diagmesh.monitoring import Seen
from diagmesh_cli.reading import pieces

__all__ = ["Moment", "moments_in", "pictures_of", "reach_s_of"]

MOST_BYTES: Final = 256 << 20
_MOST_FILES: Final = 1000
_AGAIN_S: Final = 2.1
"""Whoever is still refused or cut off is so again after this: the clients of Go and Python wait 2 s until they
connect again (Go with some jitter), if nothing else is set. What has not come by then belongs to an earlier moment."""
_TIMES: Final = 3
"""So often somebody must have been ended before a pace is seen in it."""
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Moment(NamedTuple):
    """The replies of one server at one moment, where they stand, and by account the streams among them."""

    file: str
    replies: Replies
    streams: tuple[tuple[str, Streams], ...] = ()


def moments_in(place: str) -> Iterator[Moment | tuple[str, str]]:
    """The moments in a folder or file; in the place of one that cannot be read its name and why.

    Args:
        place: a folder with a JSON object per moment, or with a file per reply; or one such object.
    """
    folder = Path(place)
    if not folder.is_dir():
        yield _whole(folder)
        return
    try:
        files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    except OSError as error:
        yield place, error.strerror or str(error)
        return
    if len(files) > _MOST_FILES:
        yield place, f"more than {_MOST_FILES} files: name a folder with fewer"
        return
    parts = {part: file for file in reversed(files) if (part := part_of(file.name))}
    if "varz" in parts:
        yield _of_parts(place, parts)
        return
    found = [file for file in files if file.name.removesuffix(".gz").endswith(".json")]
    if not found:
        yield place, "no saved replies there: a varz.json with others beside it, or a JSON file per moment"
    yield from map(_whole, found)


def _whole(file: Path) -> Moment | tuple[str, str]:
    try:
        parts = parse_moment(b"".join(pieces(str(file), MOST_BYTES)))
        if parts is None:
            return str(file), "no varz in it: a moment is a JSON object with varz, connz, … in it"
        return _moment(str(file), parts)
    except (Unreadable, BadReply) as error:
        return str(file), _why(error)


def _of_parts(place: str, parts: dict[str, Path]) -> Moment | tuple[str, str]:
    try:
        read = {part: b"".join(pieces(str(file), MOST_BYTES)) for part, file in parts.items()}
        return _moment(place, read)
    except (Unreadable, BadReply) as error:
        return place, _why(error)


def _why(error: Unreadable | BadReply) -> str:
    """The reason alone: which file it is is said beside it."""
    return error.why if isinstance(error, Unreadable) and error.what == "file" else str(error)


def _moment(name: str, parts: dict[str, bytes]) -> Moment:
    replies = replies_of(parts)
    return Moment(name, replies, tuple(streams_of(bare(parts["jsz"]))) if replies.jsz is not None else ())


def pictures_of(moments: Sequence[Moment], window_s: float, *, compare: bool) -> list[list[tuple[Moment, Server]]]:
    """The moments in the order of time: in each round one of every server.

    Args:
        moments: in any order.
        window_s: how far back ended connections are told.
        compare: take the moments of a server as looks one after the other: rates, and only what is new.
    """
    by_server: dict[str, list[Moment]] = {}
    for one in sorted(moments, key=lambda moment: moment.replies.varz.now or _NEVER):
        by_server.setdefault(one.replies.varz.server_id, []).append(one)
    rounds: list[list[tuple[Moment, Server]]] = [[] for _ in range(max(map(len, by_server.values()), default=0))]
    for ones in by_server.values():
        past: list[Seen] = []
        for number, one in enumerate(ones):
            seen = seen_of(one.replies.varz, (one.replies.varz.now or _NEVER).timestamp())
            since_s = seen.at - past[0].at if past else None
            reach_s = window_s if since_s is None else min(window_s, since_s)
            found = picture(one.replies, seen, past, window_s=reach_s)
            rounds[number].append(
                (one, replace(found, moment_s=reach_s_of(one.replies) if since_s is None else since_s))
            )
            past = [seen] if compare else []
    return rounds


def reach_s_of(replies: Replies) -> float:
    """How far back before the replies were asked for their moment reaches.

    As far as clients need to try again: the slowest of those that the replies show to be ended again and again, at its
    own pace, if it still is; `_AGAIN_S` for all others.

    Args:
        replies: of one server; the time is its own.
    """
    now, closed = replies.varz.now, replies.closed
    if now is None or closed is None:
        return _AGAIN_S
    stops: dict[tuple[str, str], list[float]] = {}
    for one in closed.connections:
        if one.stop is not None:
            stops.setdefault((one.name or one.ip, one.reason), []).append((now - one.stop).total_seconds())
    reach_s = _AGAIN_S
    for ages in stops.values():
        last, *others = sorted(ages)[:_TIMES]
        if len(others) + 1 == _TIMES:
            pace_s = max(older - newer for newer, older in pairwise((last, *others)))
            # Twice, for an attempt takes its time, too; one that has been quiet for longer has given up.
            reach_s = max(reach_s, 2 * pace_s) if last <= 2 * pace_s else reach_s
    return reach_s
