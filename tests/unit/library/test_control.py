"""Signed control requests."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.contract.control import AUTH_HEADER
from diagmesh.control import LONGEST_S, Guard, sign
from diagmesh.errors import Declined, SettingsError
from diagmesh.keys import generate

OPERATOR, OTHER = generate(), generate()
SUBJECT, BODY, BOOT, NOW, NONCE = "diagctl.mesh.forget.c1", b'{"service":"orders"}', "boot-1", 1_800_000_000.5, "n" * 24


def header(**changes: object) -> str:
    given_: dict[str, object] = {
        "seed": OPERATOR.seed,
        "subject": SUBJECT,
        "body": BODY,
        "boot": BOOT,
        "now": NOW,
        "nonce": NONCE,
    }
    return sign(**(given_ | changes))  # type: ignore[arg-type]


def check(guard: Guard, value: str | None, *, subject: str = SUBJECT, body: bytes = BODY, now: float = NOW + 1) -> str:
    return guard.check(None if value is None else {AUTH_HEADER: value}, subject, body, now)


def refused(guard: Guard, value: str | None, **changes: object) -> str:
    with pytest.raises(Declined) as caught:
        check(guard, value, **changes)  # type: ignore[arg-type]
    assert caught.value.code == 403
    return caught.value.detail


def open_guard() -> Guard:
    return Guard([OPERATOR.public], BOOT)


def test_what_an_operator_signed_is_accepted_once() -> None:
    guard = open_guard()
    assert check(guard, header()) == OPERATOR.public
    assert "used already" in refused(guard, header())
    assert check(guard, header(nonce="m" * 24)) == OPERATOR.public


def test_without_operators_control_is_closed_even_to_a_good_signature() -> None:
    assert refused(Guard([], BOOT), header()) == "control is closed"
    assert Guard([], BOOT).closed


def test_unsigned_requests_are_refused() -> None:
    assert AUTH_HEADER in refused(open_guard(), None)
    assert AUTH_HEADER in refused(open_guard(), "")


def test_a_key_that_is_not_listed_is_refused() -> None:
    assert "none of our operators" in refused(open_guard(), header(seed=OTHER.seed))


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "diagctl.mesh.forget.c2"},
        {"body": b'{"service":"payments"}'},
        {"boot": "an earlier start"},
        {"nonce": "N" * 24},
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_signature_fits_one_subject_body_start_and_nonce(changes: dict[str, object]) -> None:
    made_for = header(**changes).rpartition(".")[2]
    claimed = header().rpartition(".")[0]
    assert "does not fit" in refused(open_guard(), f"{claimed}.{made_for}")


def test_time() -> None:
    guard = open_guard()
    assert "expired" in refused(guard, header(), now=NOW + 10)
    assert "expired" in refused(guard, header(), now=int(NOW) + 10), "its last moment is past at that moment"
    assert "future" in refused(guard, header(now=NOW + 100), now=NOW)
    assert f"at most {LONGEST_S} s" in refused(guard, header(valid_s=LONGEST_S + 1))
    assert f"at most {LONGEST_S} s" in refused(guard, header(valid_s=0))
    assert check(guard, header(now=NOW + 4), now=NOW) == OPERATOR.public, "clocks differ a little"


def test_the_times_themselves_are_signed() -> None:
    key, iat, exp, nonce, signature = header().split(".")
    assert "does not fit" in refused(open_guard(), f"{key}.{iat}.{int(exp) + 15}.{nonce}.{signature}")


def test_used_nonces_are_remembered_within_bounds() -> None:
    guard = open_guard()
    for number in range(10_000):
        guard._nonces[f"{number:024}"] = int(NOW) + 20
    with pytest.raises(Declined) as caught:
        check(guard, header())
    assert caught.value.code == 429
    assert check(guard, header(now=NOW + 25), now=NOW + 26) == OPERATOR.public, "the old ones have expired"
    assert len(guard._nonces) == 1


_WRONG_KEYS = {
    "empty": "",
    "short": "U",
    "wrong checksum": OPERATOR.public[:-4] + ("AAAA" if OPERATOR.public[-4:] != "AAAA" else "BBBB"),
    "lower case": OPERATOR.public.lower(),
    "an account": "A" + OPERATOR.public[1:],
    "no ASCII": "é" * 56,
}


@pytest.mark.parametrize("operator", _WRONG_KEYS.values(), ids=_WRONG_KEYS)
def test_an_operator_that_is_no_public_user_key_is_named_at_the_start(operator: str) -> None:
    with pytest.raises(SettingsError, match="operators"):
        Guard([operator], BOOT)


@given(st.text(max_size=250))
def test_no_header_whatever_gets_through(value: str) -> None:
    refused(open_guard(), value)


@given(st.integers(0, 300), st.integers(1, 255))
def test_no_single_changed_character_gets_through(position: int, step: int) -> None:
    good = header()
    position %= len(good)
    changed = good[:position] + chr((ord(good[position]) + step) % 256) + good[position + 1 :]
    *_, signature = changed.split(".")
    try:
        same = base64.urlsafe_b64decode(signature + "==") == base64.urlsafe_b64decode(good.rpartition(".")[2] + "==")
    except ValueError:
        same = False
    if same and changed.rpartition(".")[0] == good.rpartition(".")[0]:
        return  # the unused bits of the last character: the same signature in another spelling
    refused(open_guard(), changed)


@given(st.binary(max_size=200), st.from_regex(r"[a-z0-9.-]{1,60}", fullmatch=True), st.text(max_size=30))
def test_whatever_is_signed_verifies(body: bytes, subject: str, boot: str) -> None:
    guard = Guard([OPERATOR.public], boot)
    value = header(body=body, subject=subject, boot=boot)
    assert check(guard, value, body=body, subject=subject) == OPERATOR.public
