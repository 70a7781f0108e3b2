"""An operator of NATS in JWT mode: its server configuration, and users with credentials files."""

import base64
import hashlib
import json
import time
from typing import Any, Final

import nkeys
from nacl.utils import random as random_bytes

__all__ = ["Operator", "creds", "encoded"]

_HEADER: Final = {"typ": "JWT", "alg": "ed25519-nkey"}


def new_key(kind: int) -> nkeys.KeyPair:
    """A fresh key pair of a kind (``nkeys.PREFIX_BYTE_…``)."""
    return nkeys.from_seed(nkeys.encode_seed(random_bytes(32), kind))


def signed(claims: dict[str, Any], by: nkeys.KeyPair) -> str:
    """A JWT as NATS reads it."""
    claims = {"iat": int(time.time()), "iss": by.public_key.decode(), **claims}
    digest = hashlib.new("sha256", json.dumps(claims).encode()).digest()
    claims["jti"] = base64.b32encode(digest).decode().rstrip("=")
    head, body = (encoded(json.dumps(part).encode()) for part in (_HEADER, claims))
    return f"{head}.{body}.{encoded(by.sign(f'{head}.{body}'.encode()))}"


def encoded(content: bytes) -> str:
    """As the parts of a JWT are written."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


class Operator:
    """An operator with one account; issues users of it.

    Args:
        system: with a system account, too, without which no server answers ``$SYS``.
        connections: so many may the account have; -1 for any number.
    """

    def __init__(self, *, system: bool = False, connections: int = -1) -> None:
        self.key, self.account = new_key(nkeys.PREFIX_BYTE_OPERATOR), new_key(nkeys.PREFIX_BYTE_ACCOUNT)
        me, us = self.key.public_key.decode(), self.account.public_key.decode()
        unlimited = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True}
        limits = {**unlimited, "conn": connections, "leaf": -1}
        operator = signed({"sub": me, "name": "op", "nats": {"type": "operator", "version": 2}}, self.key)
        nats = {"type": "account", "version": 2, "limits": limits}
        account = signed({"sub": us, "name": "DIAG", "nats": nats}, self.key)
        preload, named = f"{us}: {account}", ""
        if system:
            it = new_key(nkeys.PREFIX_BYTE_ACCOUNT).public_key.decode()
            preload += f", {it}: {signed({'sub': it, 'name': 'SYS', 'nats': nats}, self.key)}"
            named = f"system_account: {it}\n"
        self.config = f"operator: {operator}\nresolver: MEMORY\n{named}resolver_preload: {{ {preload} }}\n"

    def user(self, expires: int = 0, subs: int = -1, issued: int = 0) -> tuple[str, str]:
        """JWT and seed of a new user, who may have so many subscriptions; times in Unix seconds, 0 for not told."""
        key = new_key(nkeys.PREFIX_BYTE_USER)
        nats = {"type": "user", "version": 2, "subs": subs, "data": -1, "payload": -1}
        claims = {
            "sub": key.public_key.decode(),
            "name": "reader",
            "nats": nats,
            **({"exp": expires} if expires else {}),
            **({"iat": issued} if issued else {}),
        }
        return signed(claims, self.account), key.seed.decode()


def creds(jwt: str, seed: str) -> str:
    """The text of a credentials file."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
