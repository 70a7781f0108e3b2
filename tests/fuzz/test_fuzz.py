"""Every decoder holds against what was found before, against what is meant, and against what hypothesis makes of it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.__main__ import main
from fuzz.corpus import CORPUS, LONGEST_BYTES, kept, name_of
from fuzz.table import TARGETS

_MOST_CORPUS_BYTES = 1024 * 1024


def damaged(seeds: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """A seed in which a piece is replaced, doubled or left out."""

    @st.composite
    def made(draw: st.DrawFn) -> bytes:
        seed = draw(st.sampled_from(seeds or (b"",)))
        start = draw(st.integers(0, len(seed)))
        end = draw(st.integers(start, min(len(seed), start + 20)))
        piece = draw(
            st.one_of(st.binary(max_size=24), st.just(seed[start:end] * 2), st.text(max_size=12).map(str.encode))
        )
        return seed[:start] + piece + seed[end:]

    return made()


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_it_may_refuse_and_do_nothing_else(name: str, data: st.DataObject) -> None:
    target = TARGETS[name]
    anything = st.one_of(
        st.binary(max_size=400), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
    target.run(data.draw(st.one_of(damaged(target.seeds), anything)))


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_and_what_was_kept_hold(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].run(seed)
    for _, data in kept(name):
        TARGETS[name].run(data)


def test_the_corpus_is_small_and_of_targets_that_there_are() -> None:
    files = [file for file in CORPUS.rglob("*") if file.is_file()]
    assert {file.parent.name for file in files} <= TARGETS.keys()
    assert sum(file.stat().st_size for file in files) < _MOST_CORPUS_BYTES
    for file in files:
        assert file.stat().st_size <= LONGEST_BYTES, file
        assert file.name == name_of(file.read_bytes(), broke=file.name.startswith("broke-"))


def test_a_wrong_target_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 64
    assert "no such target: nothing" in capsys.readouterr().err
