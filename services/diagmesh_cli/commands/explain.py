"""`diagmesh explain`: what a finding means, and what to do about it; works without a mesh."""

import msgspec

from diagmesh.declare import RuleSpec
from diagmesh.packs import RulePack, load_rules
from diagmesh_cli.exits import Exit
from diagmesh_cli.nearby import codes_near
from diagmesh_cli.options import Common
from diagmesh_cli.output import Output
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.views.explain import Explained, Listed, list_view, page_view

__all__ = ["explain", "explained", "listed"]


def explain(
    code: str = "",
    /,
    *,
    common: Common = Common(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """What a finding means, how it was seen, what looks similar, and what to do: diagmesh explain RES-004.

    Args:
        code: of the finding. Default: the list of all rules.
        common: where the mesh is, how to show it.
    """
    output, pack = Output.of(common), load_rules()
    if not code:
        every = listed(pack)
        output.show(every, list_view(every))
        return Exit.FINDINGS if pack.broken else Exit.WELL
    page = explained(pack, code)
    output.show(page, page_view(page, rendered=output.out.is_terminal), wrap=output.out.is_terminal)
    return Exit.WELL


def listed(pack: RulePack) -> Listed:
    """All rules of a pack, and what is broken in it."""
    return Listed(rules=tuple(_explained(one) for one in pack.rules.values()), broken=pack.broken)


def explained(pack: RulePack, code: str) -> Explained:
    """One rule with its page.

    Raises:
        UsageError: there is none of that code.
    """
    found = pack.rules.get(code.upper())
    if found is None:
        near = codes_near(code, pack.rules)
        told = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(pack.rules) or 'none'};"
        raise UsageError(f"there is no rule {code!r}; {told} `diagmesh explain` lists them all")
    return msgspec.structs.replace(_explained(found), page=pack.pages[found.code].text)


def _explained(rule: RuleSpec) -> Explained:
    return Explained(
        code=rule.code,
        title=rule.title,
        severity=rule.severity,
        class_=rule.issue,
        reads=rule.kinds,
        holds=rule.tells,
        limits=msgspec.to_builtins(rule.limits),
    )
