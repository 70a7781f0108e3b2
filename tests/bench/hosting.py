"""Six instances on a host: a sidecar each, or one that serves them all."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.footprint import idle_percent
from bench.lab import Lab, memory_mib
from bench.pace import Pace
from bench.report import Row
from diagmesh.contract.subjects import ask_instance
from support.programs import Program

__all__ = ["hosting"]

_PART, _CASE = "hosting", "instances on one host"
_SERVICE = "hosted"
_INSTANCES = 6
_SIDECAR = ("python", "-m", "diagmesh_agents", "--log-level", "warning", "--config")


def hosting(lab: Lab, pace: Pace) -> list[Row]:
    """The three ways, one after the other; every sidecar has answered health and resources of each of its instances."""
    with ExitStack() as stack:
        watched = [stack.enter_context(lab.start(["sleep", "600"])) for _ in range(_INSTANCES)]
        ways = {
            "one sidecar, one instance": [watched[:1]],
            "one sidecar, six instances": [watched],
            "six sidecars, one each": [[one] for one in watched],
        }
        return [Row(part=_PART, case=_CASE, who=who, values=_measure(lab, pace, each)) for who, each in ways.items()]


def _measure(lab: Lab, pace: Pace, each: Sequence[Sequence[Program]]) -> dict[str, float]:
    """All sidecars of one way together."""
    with ExitStack() as stack:
        sidecars = []
        for number, watched in enumerate(each):
            names = [f"h{number}-{place}" for place in range(len(watched))]
            settings = _settings(lab, f"sidecar-{number}.toml", dict(zip(names, watched, strict=True)))
            command = [*_SIDECAR, str(settings)]
            sidecars.append(stack.enter_context(lab.start(command)).pid)
            for name in names:
                for kind in ("health", "resources"):
                    lab.await_answer(ask_instance(_SERVICE, kind, name))
        idle = idle_percent(sidecars, pace)
        sizes = [memory_mib(pid) for pid in sidecars]
    return {name: sum(one[name] for one in sizes) for name in sizes[0]} | {"idle %": idle}


def _settings(lab: Lab, name: str, instances: dict[str, Program]) -> Path:
    targets = "".join(
        f'[[targets]]\nservice = "{_SERVICE}"\ninstance = "{instance}"\npid = {program.pid}\n'
        for instance, program in instances.items()
    )
    file = lab.directory / name
    file.write_text(f'[nats]\nurl = "{lab.url}"\n{targets}', encoding="utf-8")
    return file
