"""What the answers of one instance mean: the rules that read exactly one kind are applied where the answer is made."""

from collections.abc import Mapping
from typing import Final

from diagmesh.contract.findings import Finding
from diagmesh.contract.wire import Reply
from diagmesh.diagnose import Engine
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh.serve import Judge
from diagmesh.settings import TargetSettings

__all__ = ["judges_of"]


class _Judge:
    """Judges the answers of one instance; the labels are those that its settings give it."""

    def __init__(self, engine: Engine, labels: Mapping[Key, Mapping[str, str]]) -> None:
        self._engine: Final = engine
        self._labels: Final = labels

    def __call__(self, reply: Reply) -> tuple[Finding, ...]:
        return self._engine.of_answer(Evidence([reply]), reply.kind, self._labels)


def judges_of(engine: Engine, target: TargetSettings) -> Mapping[str, Judge]:
    """By kind, who judges its answers; kinds that no rule reads alone have nobody.

    Args:
        engine: the rules, with the thresholds of the sidecar's settings.
        target: whose answers are judged.
    """
    judge = _Judge(engine, {Key(target.service, target.instance): target.labels})
    return dict.fromkeys(engine.answer_kinds, judge)
