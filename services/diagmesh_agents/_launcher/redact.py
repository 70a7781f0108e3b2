"""Takes secrets out of text: what looks like one is replaced, whatever it is."""

import re
from typing import Final

__all__ = ["harmless", "redact"]

_HIDDEN: Final = "[redacted]"
# Every repetition that can begin at many places has a bound: a service must not be able to make this slow.
_NAMES: Final = (
    r"[\w.-]{0,40}(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key"
    r"|credentials?|authorization|cookie|signature|(?<![a-z])pass(?![a-z]))[\w.-]{0,40}"
)
_STRING: Final = r'"(?:[^"\\]|\\.)*(?:"|\Z)'
_RULES: Final = (
    # Blocks first: keys and NATS credentials, also where their end is cut off.
    (re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?(?:-+END \1-+|\Z)", re.DOTALL), _HIDDEN),
    # user:password@ and token@ in addresses.
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,20}://)(?:(?!://)[^\s\"'<>]){1,1000}@", re.IGNORECASE), rf"\1{_HIDDEN}@"),
    # user:password@tcp(host:3306)/name, as Go programs name a MySQL database.
    (re.compile(r"(?<![\w.-])[\w.-]{1,60}:\S{1,200}@(?=(?:tcp|tcp6|unix|udp)?\()"), f"{_HIDDEN}@"),
    # JSON fields, also inside of a string of JSON.
    (re.compile(rf'("{_NAMES}"\s*:\s*)(?:{_STRING}|\[[\s,]*(?:{_STRING}[\s,]*)*\]?|[^\s,}}\]"]+)', re.IGNORECASE),
     rf'\1"{_HIDDEN}"'),
    # However often it was escaped: the value ends at the same quotation mark as the name.
    (re.compile(rf'((?<!\\)(\\{{1,31}}"){_NAMES}\2\s*:\s*)(?:\2.*?(?:\2|$)|[^\s,}}\]"\\]+)',
                re.IGNORECASE | re.MULTILINE), rf"\1\2{_HIDDEN}\2"),
    # <password>…</password>, also with a namespace or attributes, also cut off.
    (re.compile(rf"(<(?:[\w-]{{1,40}}:)?{_NAMES}(?:\s[^<>]{{0,200}})?>)(?!\s*<(?!!))"
                r"[^<]*(?:<!\[CDATA\[.*?(?:\]\]>|\Z))?", re.IGNORECASE | re.DOTALL), rf"\1{_HIDDEN}"),
    # A list of names and values: {Key:password Value:…}, "name": "PASSWORD", "value": …, key="password" value=….
    (re.compile(r"(?<![a-z])((?:key|name)[\\\"']{0,8}\s{0,8}[:=]\s{0,8}[\\\"']{0,8}" + _NAMES +
                r"[\\\"']{0,8}[\s,;]{1,40}[\\\"']{0,8}value[\\\"']{0,8}\s{0,8}[:=]\s{0,8})"
                rf"(?:{_STRING}|'[^'\n]*(?:'|$)|(\\{{1,31}}\").*?(?:\2|$)|[^\s,;&\"'}}\])<>\\]+)",
                re.IGNORECASE | re.MULTILINE), rf"\1{_HIDDEN}"),
    # Headers hold several words: all of the line is hidden, or of the list as Go prints it.
    (re.compile(r"((?:authorization|cookie)\s*[=:]\s*)(?:\[[^\]\n]*|[^\s\"'\[\\][^\"'\]\n]*)", re.IGNORECASE),
     rf"\1{_HIDDEN}"),
    (re.compile(r"(Bearer|Basic|Digest|Negotiate)\s+[^\s\"',]{6,}", re.IGNORECASE), rf"\1 {_HIDDEN}"),
    (re.compile(rf"\b({_NAMES}[\"']?\s*(?:=>|:=|[=:])\s*)(?!\"?\[redacted\]|(?:Bearer|Basic|Digest|Negotiate) )"
                r"(?:\"[^\"\n]*(?:\"|$)|'[^'\n]*(?:'|$)|[^\s,;&\"'}\]]+)", re.IGNORECASE | re.MULTILINE),
     rf"\1{_HIDDEN}"),
    # --password hunter2
    (re.compile(rf"((?<!\S)--?{_NAMES} +)(?!-)[^\s\"']+", re.IGNORECASE), rf"\1{_HIDDEN}"),
    # Seeds of nkeys and curve keys, JSON Web Tokens, also behind the n of an escaped new line.
    (re.compile(r"(?<![A-Z2-7])S[UAONCX][A-Z2-7]{56}(?![A-Z2-7])"), _HIDDEN),
    # Keys of AWS, GitHub, GitLab, Google, Slack, Stripe and others begin in a known way.
    (re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"), _HIDDEN),
    (re.compile(r"(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|[sr]k_(?:live|test)_|AIza)[\w-]{16,200}"), _HIDDEN),
    (re.compile(r"eyJ[\w-]{8,2000}\.[\w-]{8,}(?:\.[\w-]*)?"), _HIDDEN),
)  # fmt: skip
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]{0,40}m")
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
    """Bytes as text: colours are left out, what is no UTF-8 and what would control a terminal is replaced."""
    return _COLOUR.sub("", raw.decode("utf-8", "replace")).replace("\r\n", "\n").translate(_CONTROL)
