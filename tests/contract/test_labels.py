"""Labels and the selectors that choose by them: what is legal, what it means, and that text and JSON mean the same."""

import contextlib
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.contract.labels import LABEL_CHARACTERS, MOST_LABELS, check_labels, labels_of
from diagmesh.contract.selector import Requirement, fits, requirements
from diagmesh.errors import BadName

ENDS = string.ascii_letters + string.digits
names = st.builds(
    lambda first, middle, last: first + middle + last,
    st.sampled_from(ENDS),
    st.text(ENDS + "-_.", max_size=8),
    st.sampled_from(ENDS),
)
label_keys = names | st.builds("{}/{}".format, names, names)
values = st.just("") | names
labels = st.dictionaries(label_keys, values, max_size=5)


@pytest.mark.parametrize("key", ["zone", "Z", "app.kubernetes.io/version", "a_b.c-d", "x" * 63])
@pytest.mark.parametrize("value", ["", "a", "1.4.2", "us-east_1", "x" * 63])
def test_what_kubernetes_has_is_legal(key: str, value: str) -> None:
    check_labels({key: value})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"": "a"}, "label '': that is no key"),
        ({"-zone": "a"}, "label '-zone': that is no key"),
        ({"zone\n": "a"}, "that is no key"),
        ({"a/b/c": "a"}, "label 'a/b/c': that is no key"),
        ({"x" * 64: "a"}, "that is no key"),
        ({"zone": "a b"}, "label 'zone': 'a b' is no value"),
        ({"zone": "a\n"}, "is no value"),
        ({"zone": "$(ZONE)"}, "label 'zone': '$(ZONE)' is no value"),
        ({"zone": "x" * 64}, "label 'zone'"),
        ({"zone": "ä"}, "label 'zone'"),
        ({f"k{number}": "" for number in range(33)}, "33 labels: an instance has 32 at most"),
    ],
)
def test_what_is_not_names_the_key(wrong: dict[str, str], says: str) -> None:
    with pytest.raises(BadName) as caught:
        check_labels(wrong)
    assert says in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_all_labels_together_are_bounded() -> None:
    most = {f"{number:0{LABEL_CHARACTERS}}": "x" * LABEL_CHARACTERS for number in range(MOST_LABELS)}
    check_labels(most)
    assert sum(len(key) + len(value) for key, value in most.items()) <= 4096


def test_labels_of_an_environment_variable() -> None:
    assert labels_of("zone=a, version=1.2,empty=,") == {"zone": "a", "version": "1.2", "empty": ""}
    assert labels_of("") == {}
    for wrong, says in (("zone", "KEY=VALUE"), ("a=1,a=2", "twice"), ("a=1=2", "no value")):
        with pytest.raises(BadName, match=says):
            labels_of(wrong)


@given(labels)
def test_labels_read_back_as_they_were_written(given_labels: dict[str, str]) -> None:
    assert labels_of(",".join(f"{key}={value}" for key, value in given_labels.items())) == given_labels


HERE = {"zone": "a", "tier": "1", "empty": ""}


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("", True),
        ({}, True),
        ("zone=a", True),
        ("zone==a", True),
        (" zone = a , tier=1", True),
        ("zone=b", False),
        ("zone=a,tier=2", False),
        ("zone!=a", False),
        ("zone!=b", True),
        ("absent!=b", True),
        ("zone in (a,b)", True),
        ("zone in ( b )", False),
        ("zone notin (a,b)", False),
        ("absent notin (a, b)", True),
        ("zone", True),
        ("absent", False),
        ("!zone", False),
        ("!absent,zone", True),
        ("empty=", True),
        ("zone=", False),
        ({"zone": "a"}, True),
        ({"zone": ("b", "a"), "tier": "1"}, True),
        ({"zone": "a", "absent": ""}, False),
    ],
)
def test_what_is_meant(selector: Any, chosen: bool) -> None:
    assert fits(requirements(selector), HERE) is chosen


@pytest.mark.parametrize(
    ("selector", "says"),
    [
        ("zone=a=b", "selects by no label"),
        ("a b", "selects by no label"),
        ("zone in a", "selects by no label"),
        ("zone in (a", "selects by no label"),
        ("zone in ((a))", "selects by no label"),
        ("zone=a,,tier=1", "selects by no label"),
        ("=a", "selects by no label"),
        ("zone>1", "selects by no label"),
        ("!", "selects by no label"),
        ("zone=a!", "selects by no label"),
        ("zone=a b", "label 'zone': 'a b' is no value"),
        ({"zone": ()}, "no value is given"),
        ({"no key": "a"}, "that is no key"),
        (",".join(f"k{number}" for number in range(33)), "33 requirements: 32 at most"),
        ({"zone": tuple(str(number) for number in range(65))}, "65 values of 'zone': 64 at most"),
        ("x" * 4097, "4097 characters"),
    ],
)
def test_what_means_nothing_is_refused_by_name(selector: Any, says: str) -> None:
    with pytest.raises(BadName) as caught:
        requirements(selector)
    assert says in str(caught.value)


one = st.builds(
    lambda key, some, negated: Requirement(key, tuple(dict.fromkeys(some)), negated),
    label_keys.filter(lambda key: key not in ("in", "notin")),
    st.lists(values, max_size=3),
    st.booleans(),
)


@given(st.lists(one, max_size=5), labels)
def test_a_selector_written_down_means_the_same(asked: list[Requirement], had: dict[str, str]) -> None:
    read = requirements(",".join(map(str, asked)))
    assert read == tuple(asked)
    assert fits(read, had) is all(single.fits(had) for single in asked)


@given(labels.filter(bool), st.data())
def test_text_and_json_mean_the_same(had: dict[str, str], data: st.DataObject) -> None:
    some = data.draw(
        st.dictionaries(st.sampled_from(sorted(had)), st.lists(values, min_size=1, max_size=3), min_size=1)
    )
    text = ",".join(f"{key} in ({','.join(those)})" for key, those in some.items())
    as_json = requirements({key: tuple(those) for key, those in some.items()})
    assert fits(requirements(text), had) is fits(as_json, had)
    assert fits(as_json, had) is all(had[key] in those for key, those in some.items())


@given(one, labels)
def test_a_requirement_and_its_contrary_share_nobody(asked: Requirement, had: dict[str, str]) -> None:
    assert asked.fits(had) is not asked._replace(negated=not asked.negated).fits(had)


@given(st.text(max_size=60) | st.text("zone=!, in()not.ab", max_size=40))
def test_no_text_whatever_breaks_it(text: str) -> None:
    with contextlib.suppress(BadName):
        assert all(isinstance(single, Requirement) for single in requirements(text))
    with contextlib.suppress(BadName):
        check_labels(labels_of(text))
