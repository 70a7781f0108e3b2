"""The Go parts of the tests are real: the CLI that people use, from its own module."""

import subprocess
from pathlib import Path

from support.natsserver import NatsServer


def test_nats_cli_talks_to_our_server(nats_cli: Path, nats_server: NatsServer) -> None:
    asked = subprocess.run(
        [nats_cli, "--server", nats_server.url, "req", "nobody.there", ""],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "No responders" in asked.stdout + asked.stderr
