"""The runtime of every member: which kinds it answers, one reply for each question, and the bytes of that reply."""

from diagmesh.serve.kinds import AgentKinds, Asked, Endpoint, Judge, Kinds, broken_endpoint, endpoint_of
from diagmesh.serve.replies import Identity
from diagmesh.serve.responder import Responder

__all__ = [
    "AgentKinds",
    "Asked",
    "Endpoint",
    "Identity",
    "Judge",
    "Kinds",
    "Responder",
    "broken_endpoint",
    "endpoint_of",
]
