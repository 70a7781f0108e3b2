"""Customers of a service of the Go demo, who all want its store at the same time."""

from pathlib import Path
from typing import Final

__all__ = ["customers"]

_CUSTOMERS: Final = """
import http.client, sys, threading, time
port, until = int(sys.argv[1]), time.monotonic() + 240
def customer():
    while time.monotonic() < until:
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            while time.monotonic() < until:
                asking.request("POST", "/work", b'{"order": "o", "amount_cents": 1}')
                asking.getresponse().read()
        except OSError:
            time.sleep(0.2)
for _ in range(12):
    threading.Thread(target=customer, daemon=True).start()
time.sleep(240)
"""


def customers(port: int) -> list[str | Path]:
    """The command of a dozen, who ask again as soon as they are served; after four minutes they leave by themselves.

    Args:
        port: of the HTTP pages of the service.
    """
    return ["python", "-c", _CUSTOMERS, str(port)]
