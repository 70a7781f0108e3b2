"""The settings of rules: whom each is for, and whether its thresholds are some that the rule can be told."""

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from diagmesh.contract.names import check_token
from diagmesh.declare import RuleSpec
from diagmesh.errors import BadName, SettingsError
from diagmesh.expected import Key, label
from diagmesh.settings import RuleSettings

__all__ = ["check_setting", "is_for"]

_MESH: Final = "mesh"
"""Stands for the coordinators, which are judged too."""
_SHARE: Final = "_share"
_PERCENT: Final = 2
"""A share of so much is a percentage that was meant; a little above 1 says "never"."""


def is_for(setting: RuleSettings, key: Key, labels: Mapping[str, str]) -> bool:
    """Whether it holds for this instance."""
    if setting.services and key.service not in setting.services:
        return False
    if setting.instances and not {key.instance, label(key)} & {*setting.instances}:
        return False
    return all(labels.get(name) == value for name, value in setting.labels.items())


def check_setting(setting: RuleSettings, where: str, rules: Mapping[str, RuleSpec]) -> None:
    """Refuse what could never hold, or would keep a rule quiet without saying so.

    Args:
        setting: to be checked.
        where: the key that it stands under, for the message.
        rules: by code.

    Raises:
        SettingsError: it names a rule, a threshold, a service or an instance that cannot be, or a wrong number; or it
            changes nothing, or suppresses without a reason.
    """
    known = rules.get(setting.code)
    if known is None:
        raise SettingsError(f"{where}.code: there is no rule {setting.code!r} (see: diagmesh explain)")
    _check_purpose(setting, where)
    usual = msgspec.to_builtins(known.limits)
    try:
        msgspec.convert(usual | setting.limits, type(known.limits))
    except msgspec.ValidationError as error:
        names = ", ".join(field.name for field in msgspec.structs.fields(known.limits)) or "none"
        raise SettingsError(f"{where}.limits of {setting.code}: {error} (it has: {names})") from None
    for name, value in setting.limits.items():
        if wrong := _wrong(name, value, usual[name]):
            raise SettingsError(f"{where}.limits of {setting.code}: {name} = {value} {wrong}")
    try:
        for service in setting.services:
            check_token(service, "service", reserved_ok=service == _MESH)
        for instance in setting.instances:
            for token in instance.split("/", 1):
                what = f"part of instance {instance!r}:" if "/" in instance else "instance"
                check_token(token, what, reserved_ok=token == _MESH and "/" in instance)
    except BadName as error:
        raise SettingsError(f"{where}: {error}") from None


def _check_purpose(setting: RuleSettings, where: str) -> None:
    if not setting.limits and not setting.suppress:
        raise SettingsError(f"{where} ({setting.code}): it changes nothing: give limits, or suppress = true with a why")
    if setting.suppress and not setting.why.strip():
        raise SettingsError(
            f'{where} ({setting.code}): suppress needs a reason, which is shown wherever it is counted: why = "…"'
        )


def _wrong(name: str, value: object, usual: Any) -> str:
    """What is wrong with a threshold of the right type; empty when nothing is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if not math.isfinite(value) or value < 0:
        return "is no threshold: say a number of 0 or more"
    if name.endswith(_SHARE) and usual <= 1 and value >= _PERCENT:
        return "is no share: 90 % is 0.9"
    return ""
