"""Signs: what happened of late, out of ended connections, the log of the server, and what clients say."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from diagmesh.adapters.natsmon.connz import Connection, Connz
from diagmesh.contract.answers.server import Sign, SignKind, Source
from diagmesh.monitoring import PREFLIGHT

__all__ = ["parse_line", "signs_of_closed", "signs_of_lines"]

_MOST_NAMED: Final = 5
_MOST_CHARACTERS: Final = 300
_RECONNECTS_LEAST: Final = 5
"""So many ended connections of one name are told as one that comes and goes; rules judge how many are too many."""
_REASONS: Final = (
    ("slow consumer", SignKind.SLOW_CONSUMER),
    ("authentication expired", SignKind.AUTHENTICATION_EXPIRED),
    ("authentication failure", SignKind.AUTHENTICATION_FAILED),
    ("credentials revoked", SignKind.AUTHENTICATION_FAILED),
    ("missing account", SignKind.AUTHENTICATION_FAILED),
    ("maximum message payload exceeded", SignKind.PAYLOAD_EXCEEDED),
    ("maximum subscriptions exceeded", SignKind.SUBSCRIPTIONS_EXCEEDED),
    ("connections exceeded", SignKind.CONNECTIONS_EXCEEDED),
    ("stale connection", SignKind.STALE_CONNECTION),
    ("tls handshake", SignKind.TLS_FAILED),
    ("wrong port", SignKind.WRONG_PORT),
)
"""Of an ended connection (``ClosedState`` in server/client.go of nats-server).

*Authentication Timeout* is none: it is of whoever connects and says nothing, as many a health check of a port does.
"""
_MEANT_TO_GO: Final = (PREFLIGHT, "diag-cli", "NATS CLI Version ")
"""Commands connect for one question: who asks every few seconds, or has a script do so, is no client in trouble."""
_WORDS: Final = (
    ("slow consumer detected", SignKind.SLOW_CONSUMER),
    ("slow consumer", SignKind.SLOW_CONSUMER),
    ("producer was stalled", SignKind.PRODUCER_STALLED),
    ("authentication expired", SignKind.AUTHENTICATION_EXPIRED),
    ("authentication error", SignKind.AUTHENTICATION_FAILED),
    ("authorization violation", SignKind.AUTHENTICATION_FAILED),
    ("publish violation", SignKind.PERMISSION_DENIED),
    ("subscription violation", SignKind.PERMISSION_DENIED),
    ("permissions violation", SignKind.PERMISSION_DENIED),
    ("maximum payload", SignKind.PAYLOAD_EXCEEDED),
    ("maxpayloaderror", SignKind.PAYLOAD_EXCEEDED),
    ("maximum subscriptions exceeded", SignKind.SUBSCRIPTIONS_EXCEEDED),
    ("connections exceeded", SignKind.CONNECTIONS_EXCEEDED),
    ("stale connection", SignKind.STALE_CONNECTION),
    ("tls handshake error", SignKind.TLS_FAILED),
    ("attempted to connect to", SignKind.WRONG_PORT),
    ("entering lame duck mode", SignKind.LAME_DUCK),
    ("no responders", SignKind.NO_RESPONDERS),
    ("timeout", SignKind.TIMEOUT),
)
"""In lines of the log (also those of older servers), and in errors of clients; the first that fits counts."""
_SUBJECT: Final = re.compile(r"(?:Subject |subscription to |publish to )\"([^\"]{1,256})\"")
_CLIENT: Final = re.compile(r"cid:(\d+) - \"v[^:\"]*:[^:\"]*:([^\"]{1,200})\"")
_ADDRESS: Final = re.compile(r"\] (\S{1,80}) - [a-z]id:\d+")
_USER: Final = re.compile(r"(?:User|Nkey) \"([^\"]{1,200})\"")


class _Seen(NamedTuple):
    kind: SignKind
    who: str
    subjects: tuple[str, ...]
    words: str
    at: datetime | None


def parse_line(line: str) -> tuple[SignKind, str, str] | None:
    """What a line tells: the kind, who, and the subject (empty where it names none); None for what is no sign.

    Args:
        line: of the log of a nats-server, or an error of a client.
    """
    low = line[: 4 * _MOST_CHARACTERS].lower()
    kind = next((kind for words, kind in _WORDS if words in low), None)
    if kind is None:
        return None
    subject = _SUBJECT.search(line)
    who = _CLIENT.search(line) or _USER.search(line) or _ADDRESS.search(line)
    return kind, who[who.lastindex or 0] if who is not None else "", subject[1] if subject is not None else ""


def signs_of_lines(lines: Iterable[str], source: Source) -> tuple[Sign, ...]:
    """The signs in the lines of a log, or in the errors of clients.

    Args:
        lines: any; those that are no sign are passed over.
        source: which of the two.
    """

    def seen() -> Iterator[_Seen]:
        for line in lines:
            if (told := parse_line(line)) is not None:
                kind, who, subject = told
                yield _Seen(kind, who, (subject,) if subject else (), line, None)

    return _added_up(seen(), source)


def signs_of_closed(closed: Connz, window_s: float) -> tuple[Sign, ...]:
    """The signs in the ring of ended connections.

    Args:
        closed: a page of it.
        window_s: those that ended before that, counted back from the reply, are passed over.
    """
    after = closed.now - timedelta(seconds=window_s) if closed.now is not None else None
    late = [one for one in closed.connections if after is None or one.stop is None or one.stop >= after]

    def seen() -> Iterator[_Seen]:
        for one in late:
            low = one.reason.lower()
            kind = next((kind for words, kind in _REASONS if words in low), None)
            if kind is not None:
                yield _Seen(kind, _name(one), one.subs[:_MOST_NAMED], one.reason, one.stop)

    return (*_added_up(seen(), Source.CLOSED), *_reconnecting(late))


def _reconnecting(late: Iterable[Connection]) -> Iterator[Sign]:
    """Clients that come and go: several ended connections of one name.

    Whoever goes without a word, neither name nor language, is no client: a health check of the port does that all day.
    """
    ended: dict[tuple[str, str], list[Connection]] = {}
    for one in (each for each in late if _is_client(each)):
        ended.setdefault((one.account, one.name or one.ip), []).append(one)
    for (_, who), ones in sorted(ended.items(), key=lambda pair: -len(pair[1]))[:_MOST_NAMED]:
        if len(ones) >= _RECONNECTS_LEAST:
            words, _ = Counter(one.reason for one in ones).most_common(1)[0]
            last = max((one.stop for one in ones if one.stop is not None), default=None)
            yield Sign(
                kind=SignKind.RECONNECTING,
                source=Source.CLOSED,
                count=len(ones),
                who=(who,),
                example=words,
                last_at=last,
            )


def _is_client(one: Connection) -> bool:
    """Whether it said who it is, and is meant to stay."""
    return bool(one.name or one.lang) and not one.name.startswith(_MEANT_TO_GO)


def _added_up(seen: Iterable[_Seen], source: Source) -> tuple[Sign, ...]:
    groups: dict[SignKind, list[_Seen]] = {}
    for one in seen:
        groups.setdefault(one.kind, []).append(one)
    return tuple(_sign(kind, ones, source) for kind, ones in sorted(groups.items()))


def _sign(kind: SignKind, ones: list[_Seen], source: Source) -> Sign:
    who = Counter(one.who for one in ones if one.who)
    subjects = Counter(subject for one in ones for subject in one.subjects)
    last = max((one for one in ones if one.at is not None), key=lambda one: one.at or _NEVER, default=ones[-1])
    return Sign(
        kind=kind,
        source=source,
        count=len(ones),
        who=tuple(name for name, _ in who.most_common(_MOST_NAMED)),
        subjects=tuple(name for name, _ in subjects.most_common(_MOST_NAMED)),
        example=last.words[:_MOST_CHARACTERS],
        last_at=last.at,
    )


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def _name(one: Connection) -> str:
    return one.name or (f"{one.ip}:{one.port}" if one.ip else f"cid {one.cid}")
