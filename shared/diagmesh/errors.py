"""Everything that can go wrong, by name.

```
DiagmeshError
├── SettingsError         a key of the settings is missing or wrong; the message names the key
├── BadName               a service, instance or kind is no legal token
├── Refusal               a question was not answered; becomes the problem that the asker gets
│   ├── Declined          the asker must change something (400, 403, 404, 413, 429)
│   │   └── Busy          it can be done by one at a time, and another one is at it (429)
│   ├── Unavailable       this instance cannot tell (501 with the way to enable it, 503 not now)
│   │   ├── NoObserver    the settings give no connection in the account of the application (501)
│   │   └── NoPage        a diagnostic page of the service cannot be had
│   │       ├── NotConfigured    the settings name no place for it (501)
│   │       ├── PageMissing      the service has no such page (404)
│   │       ├── PageUnreachable  nothing listens there, or not in HTTP
│   │       ├── PageRefused      it answers with another status
│   │       ├── PageLate         it did not come to an end in time
│   │       ├── PageTooLarge     it is larger than what was asked for as a whole
│   │       └── NotGoPage        what came is not what such a page holds
│   ├── Failed            our own fault (500, or 413 answer too large)
│   └── Late              the budget ran out (408)
├── Unreadable            the system refused a look: what, why, and the way to fix it (becomes *blind*)
├── NotRunning            the watched process is not there
└── BusError
    ├── CannotConnect     the connection did not come about, with the reason
    ├── NotConnected      nothing was sent, because there is no connection now
    ├── ConnectionLost    the connection broke while an answer was awaited
    ├── NoResponders      nobody listens on that subject
    ├── NotPermitted      the server refused the subject to this role
    ├── MessageTooLarge   body and headers are above the server's max_payload
    ├── NoAnswer          somebody listens, but nothing came in time
    ├── StoreConflict     somebody else has written that key since we read it
    └── StoreUnavailable  the store cannot be read or written, with the reason
```
"""

__all__ = [
    "BadName",
    "BusError",
    "Busy",
    "CannotConnect",
    "ConnectionLost",
    "Declined",
    "DiagmeshError",
    "Failed",
    "Late",
    "MessageTooLarge",
    "NoAnswer",
    "NoObserver",
    "NoPage",
    "NoResponders",
    "NotConfigured",
    "NotConnected",
    "NotGoPage",
    "NotPermitted",
    "NotRunning",
    "PageLate",
    "PageMissing",
    "PageRefused",
    "PageTooLarge",
    "PageUnreachable",
    "Refusal",
    "SettingsError",
    "StoreConflict",
    "StoreUnavailable",
    "Unavailable",
    "Unreadable",
]


class DiagmeshError(Exception):
    """Base of every error that diagmesh raises on purpose."""


class SettingsError(DiagmeshError):
    """A setting is missing or wrong; the message names its key and its source (file, environment or flag)."""


class BadName(DiagmeshError):
    """A service, instance or kind that is no legal subject token."""


class Refusal(DiagmeshError):
    """A question that is not answered, and what the asker is told about it.

    Args:
        detail: one sentence for the asker; never a secret, a path of ours or a traceback.
        code: the code of the NATS service error header (ADR-32), by the table in the documentation of the wire.
        error: the short, stable name of the refusal.
        hint: what to do about it.
    """

    code = 500
    error = "agent failed"

    def __init__(self, detail: str = "", *, code: int | None = None, error: str | None = None, hint: str = "") -> None:
        super().__init__(detail or error or self.error)
        self.code = self.code if code is None else code
        self.error = self.error if error is None else error
        self.detail = detail
        self.hint = hint


class Declined(Refusal):
    """The asker must change something before this can be answered."""

    code = 400
    error = "bad request"


class Busy(Declined):
    """What is asked for can be done by one at a time, and another one is at it; the detail says who, the hint when."""

    code = 429
    error = "busy"


class Unavailable(Refusal):
    """This instance cannot tell: not at all (501, with how to enable it) or not now (503)."""

    code = 503
    error = "cannot look now"


class NoObserver(Unavailable):
    """The sidecar has no connection in the account of the application; the hint says how to give it one."""

    code = 501
    error = "not on this instance"


class NoPage(Unavailable):
    """A diagnostic page of the service cannot be had; base of the reasons."""


class NotConfigured(NoPage):
    """The settings of the sidecar name no place for that page; the hint says what to add."""

    code = 501
    error = "not on this instance"


class PageMissing(NoPage):
    """The service has no such page where the settings say that it has (404); the hint says how to give it one."""

    error = "no such page"


class PageUnreachable(NoPage):
    """Nothing listens where the page should be, or no HTTP came about; the detail says what happened."""


class PageRefused(NoPage):
    """The service answers for that page with another status than 200; the detail has it, and the words of Go."""


class PageLate(NoPage):
    """The page did not come to an end in the time that was given to it."""


class PageTooLarge(NoPage):
    """The page is larger than what may be read of it, and a part of it is of no use."""


class NotGoPage(NoPage):
    """What came from there is not what such a page of a Go service holds: the URL is that of something else."""


class Failed(Refusal):
    """We failed, not the asker and not the watched service."""


class Late(Refusal):
    """The budget of the question ran out before the agent was done."""

    code = 408
    error = "out of time"


class Unreadable(DiagmeshError):
    """The system refused a look at something.

    Args:
        what: what could not be read, in the words of the answer (``descriptors``).
        why: the reason (``permission denied: the process runs as uid 1000, the sidecar as uid 65534``).
        fix: what to do about it.
    """

    def __init__(self, what: str, why: str, fix: str = "") -> None:
        super().__init__(f"{what}: {why}" + (f" ({fix})" if fix else ""))
        self.what = what
        self.why = why
        self.fix = fix


class NotRunning(DiagmeshError):
    """The watched process is not there (any more); the message says how it was looked for."""


class BusError(DiagmeshError):
    """Base of what can go wrong between us and the NATS server."""


class CannotConnect(BusError):
    """No connection came about; the message gives the server's or the system's reason."""


class NotConnected(BusError):
    """Nothing was sent, because there is no connection at this moment (we never send late)."""


class ConnectionLost(BusError):
    """The connection broke while an answer was awaited; whether the question arrived is unknown."""


class NoResponders(BusError):
    """Nobody listens on the subject (server status 503)."""


class NotPermitted(BusError):
    """The server does not let this role publish or subscribe there.

    Args:
        words: what is refused to whom.
        subject: the subject; empty where it is not about one.
    """

    def __init__(self, words: str, subject: str = "") -> None:
        super().__init__(words)
        self.subject = subject


class MessageTooLarge(BusError):
    """Body and headers together are above the max_payload of the server."""


class NoAnswer(BusError):
    """Somebody may listen, but nothing came within the time given."""


class StoreConflict(BusError):
    """Somebody else has written that key since we read it; read again before writing."""


class StoreUnavailable(BusError):
    """The store cannot be read or written now; the message says why.

    Args:
        why: in words that say what to look at.
        absent: whether there is no such store for us at all (no JetStream here, or this role may not use it).
    """

    def __init__(self, why: str, *, absent: bool = False) -> None:
        super().__init__(why)
        self.absent = absent
