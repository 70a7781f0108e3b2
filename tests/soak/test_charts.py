"""The drawings are well-formed, hold what they are given, and stay small."""

from xml.etree import ElementTree as ET

from soak.charts import Line, Mark, chart

SPACE = "{http://www.w3.org/2000/svg}"


def test_lines_marks_and_names_are_drawn() -> None:
    drawn = chart("memory", "MiB", [Line("a", [(0, 1), (50, 4)]), Line("b", [(0, 2)])], [Mark(0, 10, 20)], ["kills"])
    tree = ET.fromstring(drawn)  # noqa: S314  our own
    assert len(tree.findall(f"{SPACE}polyline")) == 2
    words = [one.text for one in tree.findall(f"{SPACE}text")]
    assert {"memory", "MiB", "a", "b", "kills", "0 s"} <= set(words)
    assert len([one for one in tree.findall(f"{SPACE}rect") if one.get("fill") == "#c33"]) == 1


def test_a_peak_is_never_thinned_out() -> None:
    points = [(float(at), 99.0 if at == 1234 else 1.0) for at in range(5000)]
    drawn = chart("x", "", [Line("a", points)])
    tree = ET.fromstring(drawn)  # noqa: S314  our own
    (line,) = tree.findall(f"{SPACE}polyline")
    heights = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
    assert len(heights) < 300
    assert min(heights) < 40 < max(heights)
    assert "16.6667 min" not in drawn
    assert len(drawn) < 10_000


def test_nothing_is_drawn_of_nothing() -> None:
    ET.fromstring(chart("x", "", []))  # noqa: S314  our own
