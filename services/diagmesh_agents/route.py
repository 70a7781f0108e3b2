"""route: the path that a subject takes through the servers now, and who would get it, without delivering anything."""

from diagmesh.contract.answers.route import Route, RouteQuestion
from diagmesh.declare import agent
from diagmesh.errors import Unavailable
from diagmesh.target import Target

__all__ = ["route"]


@agent(budget=8.0, concurrency=2)
async def route(question: RouteQuestion, target: Target) -> Route:
    """Which way does a message on a subject take through the servers, and who gets it? Nothing is delivered."""
    if not question.subject:
        hint = "name a subject: diagmesh route SUBJECT --through SERVICE, or --set subject=SUBJECT"
        raise Unavailable("a route is asked for one subject", code=501, error="not on this instance", hint=hint)
    from diagmesh.adapters.natstrace import followed  # noqa: PLC0415  only where somebody asks for it

    return await followed(target.nats, question.subject)
