"""How to knock at a door by hand, with its own address: what finding texts say of a probe."""

import shlex

from diagmesh.contract.answers.health import Check
from diagmesh.expected import Key, label

__all__ = ["by_hand"]


def by_hand(where: Key, check: Check) -> tuple[str, ...]:
    """The command that looks at what this probe looks at; none for probes of somebody else's."""
    door = shlex.quote(check.target)
    match check.kind if check.target else "":
        case "http":
            command = f"curl -sv --max-time 5 {door}"
        case "tcp":
            host, _, port = check.target.rpartition(":")
            command = f"nc -vz -w 5 {shlex.quote(host.strip('[]'))} {shlex.quote(port)}"
        case "nats":
            command = f"nats req {door} '' --timeout 2s"
        case "srv":
            command = f"nats req {door} '' --replies=0 --timeout 2s"
        case _:
            return ()
    beside = "in the account of the application" if check.kind in ("nats", "srv") else "on its host"
    return (f"Knock at {check.name} of {label(where)} by hand, {beside}: `{command}`.",)
