"""server: the nats-server beside which the sidecar stands: health, load, limits, peers, slow clients, accounts."""

from typing import Final

from diagmesh.contract.answers.server import Server, ServerQuestion
from diagmesh.declare import agent
from diagmesh.target import Target

__all__ = ["server"]

_BUDGET_S: Final = 8.0
_SHARE: Final = 0.8
"""Of the budget, for the looks; the rest is for the answer."""


@agent(budget=_BUDGET_S, concurrency=2)
async def server(question: ServerQuestion, target: Target) -> Server:
    """How is the nats-server: health, load, limits, peers, meta group, accounts, slow and ended clients."""
    from diagmesh.adapters.natsmon.look import look  # noqa: PLC0415  few sidecars stand beside a nats-server

    budget_s = min(_BUDGET_S, (question.timeout_ms or 1000 * _BUDGET_S) / 1000) * _SHARE
    return await look(target.monitor, window_s=question.window_s, budget_s=budget_s, detail=question.detail)
