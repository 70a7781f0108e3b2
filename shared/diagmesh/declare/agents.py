"""`agent`: a typed function becomes a value that the runtime can serve."""

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, get_type_hints

import msgspec

from diagmesh.contract.names import check_token
from diagmesh.contract.wire import Answer, Question
from diagmesh.target import Target

__all__ = ["AgentSpec", "agent"]

_DEFAULT_BUDGET_S: Final = 2.0
_DEFAULT_CONCURRENCY: Final = 4


class AgentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A declared agent.

    Args:
        kind: the question it answers; function name = file name = subject token (``_`` becomes ``-``).
        question: the type that the request body is decoded into.
        answer: the type that it returns.
        budget_s: the longest it may take; an asker can only shorten it.
        concurrency: how many questions of this kind one sidecar works on at a time, the rest hear 429.
        tells: the first line of its docstring.
        look: the function itself.
    """

    kind: str
    question: type[Question]
    answer: type[Answer]
    budget_s: float
    concurrency: int
    tells: str
    look: Callable[[Any, Target], Awaitable[Answer]]


def agent(
    *, budget: float = _DEFAULT_BUDGET_S, concurrency: int = _DEFAULT_CONCURRENCY
) -> Callable[[Callable[..., Awaitable[Answer]]], AgentSpec]:
    """Declare an agent: ``async def kind(question: Q, target: Target) -> A`` with a docstring.

    Args:
        budget: seconds after which the asker hears 408, however the agent fares.
        concurrency: questions of this kind in work at a time in one sidecar.

    Raises:
        TypeError: when the function has not the form of an agent; the message says what is missing.
    """
    if budget <= 0 or concurrency < 1:
        raise TypeError(f"an agent needs a budget above 0 and a concurrency of at least 1, not {budget}, {concurrency}")

    def declare(look: Callable[..., Awaitable[Answer]]) -> AgentSpec:
        name = getattr(look, "__name__", "?")
        if not inspect.iscoroutinefunction(look):
            raise TypeError(f"agent {name} must be an async function")
        hints = get_type_hints(look)
        parameters = list(inspect.signature(look).parameters)
        if len(parameters) != 2:
            raise TypeError(f"agent {name} takes (question, target), not {parameters}")
        question, answer = hints.get(parameters[0]), hints.get("return")
        if not (isinstance(question, type) and issubclass(question, Question)):
            raise TypeError(f"agent {name}: its first parameter must be annotated with a Question type")
        if not (isinstance(answer, type) and issubclass(answer, Answer)):
            raise TypeError(f"agent {name}: it must return an Answer type")
        doc = inspect.getdoc(look)
        if not doc:
            raise TypeError(f"agent {name} needs a docstring: its first line says what it tells the operator")
        return AgentSpec(
            kind=check_token(re.sub("_", "-", name), "kind"),
            question=question,
            answer=answer,
            budget_s=budget,
            concurrency=concurrency,
            tells=doc.splitlines()[0],
            look=look,
        )

    return declare
