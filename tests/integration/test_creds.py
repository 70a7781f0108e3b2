"""Credentials files of an operator: a server with a memory resolver takes them; each mistake is told in a line."""

import base64
import hashlib
import json
import time
from pathlib import Path
from typing import Any, Final

import nkeys
import pytest
from nacl.utils import random as random_bytes

from diagmesh_cli.main import run
from support.natsserver import MakeServer

_HEADER: Final = {"typ": "JWT", "alg": "ed25519-nkey"}


def new_key(kind: int) -> nkeys.KeyPair:
    return nkeys.from_seed(nkeys.encode_seed(random_bytes(32), kind))


def signed(claims: dict[str, Any], by: nkeys.KeyPair) -> str:
    """A JWT as NATS reads it."""
    claims = {"iat": int(time.time()), "iss": by.public_key.decode(), **claims}
    digest = hashlib.new("sha256", json.dumps(claims).encode()).digest()
    claims["jti"] = base64.b32encode(digest).decode().rstrip("=")
    head, body = (encoded(json.dumps(part).encode()) for part in (_HEADER, claims))
    return f"{head}.{body}.{encoded(by.sign(f'{head}.{body}'.encode()))}"


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


class Operator:
    """An operator with one account; issues users of it."""

    def __init__(self) -> None:
        self.key, self.account = new_key(nkeys.PREFIX_BYTE_OPERATOR), new_key(nkeys.PREFIX_BYTE_ACCOUNT)
        me, us = self.key.public_key.decode(), self.account.public_key.decode()
        unlimited = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True}
        limits = {**unlimited, "conn": -1, "leaf": -1}
        operator = signed({"sub": me, "name": "op", "nats": {"type": "operator", "version": 2}}, self.key)
        nats = {"type": "account", "version": 2, "limits": limits}
        account = signed({"sub": us, "name": "DIAG", "nats": nats}, self.key)
        self.config = f"operator: {operator}\nresolver: MEMORY\nresolver_preload: {{ {us}: {account} }}\n"

    def user(self, expires: int = 0) -> tuple[str, str]:
        """JWT and seed of a new user."""
        key = new_key(nkeys.PREFIX_BYTE_USER)
        nats = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        claims = {
            "sub": key.public_key.decode(),
            "name": "reader",
            "nats": nats,
            **({"exp": expires} if expires else {}),
        }
        return signed(claims, self.account), key.seed.decode()


def creds(jwt: str, seed: str) -> str:
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )


def test_a_credentials_file_is_taken_and_each_mistake_is_told(
    make_server: MakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = Operator()
    server = make_server(config=operator.config).start()
    file = tmp_path / "reader.creds"
    file.touch(mode=0o600)
    asked = ["status", "--timeout", "1", "--nats", server.url, "--creds-file", str(file)]
    jwt, seed = operator.user()
    file.write_text(creds(jwt, seed))
    assert run(asked) == 3
    assert "0 of 0 instances answered" in capsys.readouterr().out
    file.write_text(creds(*Operator().user()))
    assert run(asked) == 3
    assert "refused the credentials" in capsys.readouterr().err
    head, _, signature = jwt.split(".")
    mistakes = (
        (creds(jwt, "none"), "holds no seed"),
        (seed, "holds no JWT"),
        (creds(f"{head}.{encoded(b'{')}.{signature}", seed), "is damaged"),
        (creds(*operator.user(expires=1_600_000_000)), "has expired (2020-09-13"),
    )
    for text, says in mistakes:
        file.write_text(text)
        assert run(asked) == 64
        told = capsys.readouterr().err
        assert says in told
        assert len(told.splitlines()) == 1
        assert seed not in told
