"""A service whose nats-server knows its users by JWT."""

import time
from typing import Any

from faults.shop import Shop
from support.linked import client, tell
from support.operators import Operator, creds

__all__ = ["OPERATOR", "Signed"]

OPERATOR = Operator(system=True)
"""Who issues the users; the configuration of such a server is his."""


class Signed(Shop):
    """The service is a real client for Python; it and the observer have credentials files."""

    def begin(self, *, subs: int = -1, **given: Any) -> None:
        """Start the service, with a JWT that allows so many subscriptions and does not end."""
        self._subs = subs
        self._given = given
        self._file = self.folder / "service.creds"
        eye = self.folder / "eye.creds"
        eye.write_text(creds(*OPERATOR.user()), encoding="utf-8")
        self.issue()
        self.url = self.server.url
        self._observer = f'url = "{self.server.url}"\ncreds_file = "{eye}"'
        self._more = f'creds_file = "{self._file}"\n{self._more}'
        self._connect()

    def issue(self, *, ago_s: int = 0, left_s: int = 0) -> None:
        """Put another JWT into its file: when it was issued, and how long it is good for (0: for ever)."""
        now = int(time.time())
        jwt = OPERATOR.user(now + left_s if left_s else 0, self._subs, now - ago_s)
        self._file.write_text(creds(*jwt), encoding="utf-8")

    def restarted(self, *, left_s: int) -> None:
        """Start it again with a JWT that is good for so long."""
        self.sidecar.stop()
        self.child.__exit__()
        self.issue(left_s=left_s)
        self._connect()
        self.attach()

    def subscriptions(self, count: int) -> None:
        """From now on it has so many."""
        tell(self.child, f"subscriptions {count}")

    def _connect(self) -> None:
        self.child = client(self.server, self._instance, user_credentials=str(self._file), **self._given).__enter__()
