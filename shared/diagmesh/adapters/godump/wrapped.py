"""Lines of a program as those keep them who collect its output: with a time or a name in front, or inside of JSON."""

import re
from typing import Final

import msgspec

__all__ = ["Wrapped", "unwrapped", "wrapped_of"]

_JOURNAL_NAME: Final = r"\S{1,255} [^\s:\[]{1,255}\[\d{1,10}\]: "
_POD: Final = re.compile(r"\[pod/[^\]\s/]{1,255}/[^\]\s/]{1,255}\] ")
"""``kubectl logs --prefix``."""
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\dT[0-9:.]{5,20}(?:Z|[+-]\d\d:?\d\d)? (?:std(?:out|err) [FP] |" + _JOURNAL_NAME + ")?"
)
"""``kubectl logs --timestamps``, the files of containerd and CRI-O, ``journalctl -o short-iso``."""
_JOURNAL: Final = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})? " + _JOURNAL_NAME)
_COMPOSE: Final = re.compile(r"[\w.-]{1,64} {2,64}\| ")
"""``docker compose logs``; two spaces at least, so that no text of the program is taken for it."""
_SIGNS: Final = re.compile(rb'"(?:log|Output|MESSAGE)"')


class Wrapped(msgspec.Struct, frozen=True, gc=False):
    """A line in JSON: of docker (log, time), of journald (MESSAGE), of ``go test -json`` (Output and what follows)."""

    log: str | None = None
    Output: str | None = None
    MESSAGE: str | None = None
    time: str = ""
    Time: str = ""
    Package: str = ""
    Test: str = ""
    stream: str = ""

    @property
    def text(self) -> str | None:
        """What the program wrote, without its end; None in another log of the same look."""
        found = next((one for one in (self.log, self.Output, self.MESSAGE) if one is not None), None)
        return found.rstrip("\r\n") if found is not None else None


_decoder: Final = msgspec.json.Decoder(Wrapped)


def wrapped_of(line: str | bytes) -> Wrapped | None:
    """A line that is one of these; None for any other. Never raises."""
    if not _SIGNS.search(line.encode("utf-8", "replace") if isinstance(line, str) else line):
        return None
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None  # cut, or another log of the same look


def unwrapped(line: str) -> str:
    """The line as the program wrote it; any other line as it is."""
    if line.startswith("{"):
        wrapped = wrapped_of(line)
        text = wrapped.text if wrapped is not None else None
        return text if text is not None else line
    if line.startswith("[pod/") and (found := _POD.match(line)) is not None:
        line = line[found.end() :]
    if line[4:5] == "-" and line[10:11] == "T" and (found := _TIME.match(line)) is not None:
        return line[found.end() :]
    if line[3:4] == " " and line[:1].isupper() and (found := _JOURNAL.match(line)) is not None:
        return line[found.end() :]
    if "  | " in line and (found := _COMPOSE.match(line)) is not None:
        return line[found.end() :]
    return line
