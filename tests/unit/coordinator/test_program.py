"""A coordinator that nobody named has a name of its own."""

import re

from diagmesh.contract.names import check_token
from diagmesh_coordinator.program import default_name


def test_it_is_the_pod_s_with_a_suffix_that_no_other_one_has() -> None:
    names = {default_name({"POD_NAME": "mesh-0"}) for _ in range(3)}
    assert len(names) == 3
    assert all(re.fullmatch("mesh-0-[0-9a-f]{4}", name) for name in names)


def test_a_long_name_leaves_room_for_the_suffix() -> None:
    name = default_name({"POD_NAME": "x" * 49 + "-" + "y" * 40})
    assert check_token(name, "instance") == name
    assert re.fullmatch("x{49}-[0-9a-f]{4}", name)
