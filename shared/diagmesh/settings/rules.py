"""What rules are told about some targets."""

from diagmesh.settings.table import Table

__all__ = ["RuleSettings"]


class RuleSettings(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one rule is told about some targets (``[[rules]]`` in TOML); later tables win over earlier ones.

    Args:
        code: of the rule.
        services: it holds for these services; empty for all.
        instances: for these instances (``i1`` or ``orders/i1``); empty for all.
        labels: for instances with all of these labels.
        limits: thresholds by name, see ``diagmesh explain CODE``.
        suppress: find it, count it, but do not tell it.
        why: the reason for that, shown wherever it is counted; needed.
    """

    code: str
    services: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    limits: dict[str, float | int | str | bool] = {}
    suppress: bool = False
    why: str = ""
