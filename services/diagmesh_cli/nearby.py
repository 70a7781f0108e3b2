"""What somebody probably meant who named a rule that there is not."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from diagmesh.declare import RuleSpec

__all__ = ["codes_near"]

_CODE: Final = re.compile(r"([A-Z]+)[-_ ]?0*(\d{1,3})\Z")
_MOST: Final = 3
_MOST_OF_A_FAMILY: Final = 12


def codes_near(given: str, rules: Mapping[str, RuleSpec]) -> list[str]:
    """Codes that ``given`` may mean, the likeliest first: another spelling, a name, a family, a slip of the hand."""
    folded = given.strip().upper()
    written = _CODE.match(folded)
    if written and (code := f"{written[1]}-{int(written[2]):03}") in rules:
        return [code]
    family = [code for code in rules if code.startswith(f"{folded.rstrip('-')}-")]
    if family:
        return family[:_MOST_OF_A_FAMILY]
    by_name = {rule.name.replace("_", "-").upper(): code for code, rule in rules.items()}
    by_name |= {rule.title.upper(): code for code, rule in rules.items()}
    near = get_close_matches(folded.replace("_", "-"), [*rules, *by_name], n=2 * _MOST)
    return list(dict.fromkeys(by_name.get(one, one) for one in near))[:_MOST]
