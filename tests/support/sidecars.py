"""A real sidecar and a process to stand beside, one at a time; `support.smallmesh` makes a whole mesh of them."""

from pathlib import Path

from support.programs import Program

__all__ = ["sidecar", "sleeper"]


def sleeper(directory: Path) -> Program:
    """A Python process that does nothing, to stand beside."""
    return Program(["python", "-c", "import time; time.sleep(3600)"], directory)


def sidecar(directory: Path, url: str, service: str, instance: str, *flags: str) -> Program:
    """A sidecar with a quick heartbeat."""
    who = ["--service", service, "--instance", instance, "--heartbeat", "0.5"]
    return Program(["python", "-m", "diagmesh_agents", "--nats", url, *who, *flags], directory)
