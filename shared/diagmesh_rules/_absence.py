"""Who was expected and not heard, from the replies and the directory together."""

from datetime import datetime
from typing import Final, NamedTuple

from diagmesh.contract.directory import InstanceState
from diagmesh.contract.findings import Fact
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._words import moment

__all__ = ["Absent", "absent"]

_STATES: Final = (InstanceState.SILENT, InstanceState.NOT_CONNECTED)


class Absent(NamedTuple):
    """Somebody who was not heard: where its sidecar stands, what was said of it, when it was last heard."""

    state: InstanceState
    reason: str
    last_seen: datetime | None

    def facts(self) -> tuple[Fact, ...]:
        """What is known of it."""
        told = [Fact(what="sidecar", value=self.reason or self.state.value)]
        if self.last_seen is not None:
            told.append(Fact(what="sidecar last heard", value=moment(self.last_seen)))
        return tuple(told)


def absent(seen: Evidence) -> dict[Key, Absent]:
    """Each instance known by name that replied to nothing; what a gather found out stands above the directory."""
    found: dict[Key, Absent] = {}
    for service in seen.directory.services if seen.directory is not None else ():
        for one in service.instances:
            if one.state is not InstanceState.LIVE:
                found[Key(service.service, one.instance)] = Absent(one.state, one.reason, one.last_seen)
    for silent in seen.silent:
        if silent.instance:
            state = next((state for state in _STATES if silent.reason.startswith(state)), InstanceState.UNKNOWN)
            found[Key(silent.service, silent.instance)] = Absent(state, silent.reason, silent.last_seen)
    return {key: one for key, one in sorted(found.items()) if key not in seen.heard}
