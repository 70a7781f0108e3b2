"""Takes secrets out of text: what looks like one is replaced, whatever it is."""

import re
from typing import Final

__all__ = ["harmless", "redact"]

_HIDDEN: Final = "[redacted]"
# Every repetition that can begin at many places has a bound: a service must not be able to make this slow.
_NAMES: Final = (
    r"[\w.-]{0,40}(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key"
    r"|credentials?|authorization|cookie)[\w.-]{0,40}"
)
_RULES: Final = (
    # Blocks first: keys and NATS credentials, also where their end is cut off.
    (re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?(?:-+END \1-+|\Z)", re.DOTALL), _HIDDEN),
    # user:password@ and token@ in addresses.
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,20}://)[^\s/@\"'<>]{1,1000}@", re.IGNORECASE), rf"\1{_HIDDEN}@"),
    # JSON fields, also inside of a string of JSON.
    (re.compile(rf'("{_NAMES}"\s*:\s*)(?:"(?:[^"\\]|\\.)*(?:"|\Z)|[^\s,}}\]"]+)', re.IGNORECASE), rf'\1"{_HIDDEN}"'),
    (re.compile(rf'(\\"{_NAMES}\\"\s*:\s*)(?:\\".*?(?:\\"|\Z)|[^\s,}}\]"]+)', re.IGNORECASE), rf'\1\\"{_HIDDEN}\\"'),
    (re.compile(r"\b(Bearer|Basic|Digest|Negotiate)\s+[^\s\"',]{6,}", re.IGNORECASE), rf"\1 {_HIDDEN}"),
    (re.compile(rf"\b({_NAMES}\s*[=:]\s*)(?!\[redacted\]|(?:Bearer|Basic|Digest|Negotiate) )"
                r"(?:\"[^\"\n]*(?:\"|$)|'[^'\n]*(?:'|$)|[^\s,;&\"'}\]]+)", re.IGNORECASE | re.MULTILINE),
     rf"\1{_HIDDEN}"),
    # Seeds of nkeys and curve keys, JSON Web Tokens.
    (re.compile(r"\bS[UAONCX][A-Z2-7]{56}\b"), _HIDDEN),
    (re.compile(r"\beyJ[\w-]{8,2000}\.[\w-]{8,}(?:\.[\w-]*)?"), _HIDDEN),
)  # fmt: skip
_CONTROL: Final = dict.fromkeys(
    (*(set(range(0x20)) - {ord("\n"), ord("\t")}), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
    "\N{REPLACEMENT CHARACTER}",
)


def redact(text: str) -> str:
    """The text without what looks like a secret."""
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text


def harmless(raw: bytes) -> str:
    """Bytes as text: what is no UTF-8 and what would control a terminal is replaced."""
    return raw.decode("utf-8", "replace").replace("\r\n", "\n").translate(_CONTROL)
