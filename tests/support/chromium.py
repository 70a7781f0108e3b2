"""Headless Chromium in tests: a page is opened from its file and looked at; what it asks of the network is counted.

Where there is none, tests that need it are skipped with the reason; with ``CI=true`` they fail.
"""

import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import pytest

from support.png import Picture, picture_of

__all__ = ["Look", "chromium", "looked_at"]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
    "--v=0", "--force-device-scale-factor=1", "--proxy-bypass-list=<-loopback>",
)  # fmt: skip
_ITS_OWN: Final = (".google.com", ".googleapis.com")
"""Whom the browser itself calls at its start, whatever page is open (no page of ours names them)."""
_WAIT_S: Final = 90.0


class Look(NamedTuple):
    """What a page did: how it looks, what it asked for, what the browser complained about."""

    picture: Picture
    requests: list[str]
    complaints: list[str]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        missing = "no Chromium here (Debian: apt install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def looked_at(browser: str, page: Path, scratch: Path, width: int, *, dark: bool = False, fragment: str = "") -> Look:
    """Open a page, in a browser that has never run before.

    Args:
        browser: the program.
        page: the file.
        scratch: an empty directory.
        width: of the window, in pixels.
        dark: as for somebody who wants it dark.
        fragment: what follows the address of the page after ``#``.
    """
    shot = scratch / "shot.png"
    with _counting() as (port, requests):
        command = [
            browser, *_FLAGS, f"--user-data-dir={scratch / 'profile'}", f"--proxy-server=http://127.0.0.1:{port}",
            f"--window-size={width},900", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--screenshot={shot}", f"{page.as_uri()}#{fragment}",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert shot.is_file(), done.stderr
    complaints = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return Look(picture_of(shot.read_bytes()), requests, complaints)


@contextmanager
def _counting() -> Iterator[tuple[int, list[str]]]:
    """A proxy that lets nothing through, and keeps what was asked of it."""
    requests: list[str] = []

    class Refusing(http.server.BaseHTTPRequestHandler):
        def parse_request(self) -> bool:
            super().parse_request()
            host = urlsplit(self.path if "://" in self.path else f"//{self.path}").hostname or ""
            if not host.endswith(_ITS_OWN):
                requests.append(self.path)
            self.send_error(502)
            return False  # that was the answer, whatever the method

        def log_message(self, *_: object) -> None:
            """It has nothing to say."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1], requests
        finally:
            server.shutdown()
            thread.join(10)
