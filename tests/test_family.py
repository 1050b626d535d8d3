"""The graph of rules: what links them, what follows from other links, and how it is drawn."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli_calls import Call, call, folder
from thetaprime.cache import folder as cache
from thetaprime.compare.drawing import _spread, ordered_columns, placed, svg
from thetaprime.compare.family import family
from thetaprime.compare.graph import Edge, Graph, Link, graph, link, reached
from thetaprime.compare.near import candidates, of_json, profile
from thetaprime.compare.operands import operand
from thetaprime.edits import edits

__all__ = ["call", "folder"]  # fixtures
NAMES = ("adam", "adamw", "adam-torch", "adam-keras", "lion")


def special(*pairs: tuple[str, str]) -> list[Link]:
    return [Link("special", a, b, f"{b} = 0") for a, b in pairs]


def ways(found: Graph) -> list[tuple[str, str]]:
    return [(e.start, e.end) for e in found.edges]


# What comparisons say.


def verdict(name: str, **more: Any) -> dict[str, Any]:
    return {"a": "a", "b": "b", "verdict": name, "map": {}, "inverse": {}, "conditions": [],
            "choices": {}} | more


@pytest.mark.parametrize(("found", "expected"), [
    (verdict("equal"), Link("equal", "a", "b")),
    (verdict("equal", choices={"nesterov": "false"}), Link("equal", "a", "b")),
    (verdict("equal", choices={"nesterov": "true"}), Link("special", "b", "a", "nesterov = true")),
    (verdict("specialises", conditions=["wd = 0"]), Link("special", "b", "a", "wd = 0")),
    (verdict("specialises", map={"wd": "0"}), Link("special", "a", "b", "wd = 0")),
    (verdict("specialises", inverse={"lr": "lr*b"}), Link("special", "b", "a", "lr = lr*b")),
    (verdict("equal-under-map", map={"lr": "lr*b"}), Link("map", "a", "b", "lr = lr*b")),
    (verdict("equal-up-to", conditions=["a shift"]), Link("up-to", "a", "b", "a shift")),
    (verdict("equal-when", conditions=["b = 0", "wd = 0"]),
     Link("when", "a", "b", "b = 0, or wd = 0")),
    (verdict("different"), None),
    (verdict("unknown"), None),
])
def test_a_verdict_is_a_link(found: dict[str, Any], expected: Link | None) -> None:
    assert link(found, {"nesterov": "false"}) == expected


# The graph.


def test_what_follows_is_not_drawn() -> None:
    found = graph("abcd", special(("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")))
    assert ways(found) == [("a", "b"), ("a", "d"), ("b", "c")]


def test_equal_rules_share_a_node_and_its_edges() -> None:
    links = [Link("equal", "b", "bb"), *special(("a", "bb"), ("a", "b"), ("bb", "c"))]
    found = graph(["a", "b", "bb", "c"], links)
    assert found.nodes["b"] == ("b", "bb")
    assert ways(found) == [("a", "b"), ("b", "c")]


def test_the_names_that_go_first_name_their_nodes() -> None:
    links = [Link("equal", "a", "long")]
    assert list(graph(["a", "long"], links, ["long"]).nodes) == ["long"]


def test_rules_that_are_special_cases_of_each_other_end() -> None:
    found = graph("abc", special(("a", "b"), ("b", "a"), ("b", "c")))
    assert set(found.layers()) == {"a", "b", "c"}


def test_edits_link_what_is_not_linked() -> None:
    links = [*special(("a", "b")), Link("edit", "a", "b", "x"), Link("edit", "b", "c", "a sign"),
             Link("edit", "a", "c", "a longer one")]
    found = graph("abcd", links)
    assert [(e.kind, e.start, e.end) for e in found.edges] == [
        ("special", "a", "b"), ("edit", "b", "c")]
    assert "d" not in found.layers()


def test_settings_of_both_link_what_no_special_case_links() -> None:
    links = [*special(("a", "b"), ("a", "c")), Link("when", "b", "c", "wd = 0"),
             Link("when", "c", "d", "wd = 0")]
    found = graph("abcd", links)
    assert [(e.kind, e.start, e.end) for e in found.edges if e.kind == "when"] == [
        ("when", "c", "d")]


def test_layers_are_the_longest_ways() -> None:
    found = graph("abcd", [*special(("a", "b"), ("b", "c"), ("a", "d"), ("d", "c")),])
    assert found.layers() == {"a": 0, "b": 1, "d": 1, "c": 2}


NODES = st.sampled_from("abcdefg")
LINKS = st.lists(st.tuples(NODES, NODES).filter(lambda p: p[0] < p[1]), max_size=20)


@given(LINKS)
def test_a_reduced_graph_reaches_the_same(pairs: list[tuple[str, str]]) -> None:
    found = graph("abcdefg", special(*pairs))
    whole = special(*pairs)
    for name in "abcdefg":
        assert reached(name, found.edges) == reached(name, whole)
    for edge in found.edges:
        assert edge.end not in reached(edge.start, [e for e in found.edges if e is not edge])


# The picture.


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(1, 50)), min_size=1, max_size=12))
def test_places_are_the_nearest_that_do_not_overlap(rows: list[tuple[float, float]]) -> None:
    wanted, sizes = zip(*rows, strict=True)
    found = _spread(wanted, sizes)
    for one, other, a, b in zip(found, found[1:], sizes, sizes[1:], strict=False):
        assert other - one >= (a + b) / 2 - 1e-6
    free = [w for w, f in zip(wanted, found, strict=True) if abs(w - f) > 1e-6]
    apart = all(b - a >= (s + t) / 2 for a, b, s, t in zip(
        wanted, wanted[1:], sizes, sizes[1:], strict=False))
    assert not (apart and free)


TREE = graph("abcdefgh", [*special(("a", "b"), ("a", "c"), ("b", "d"), ("c", "e"), ("a", "f")),
                          Link("equal", "d", "h"), Link("edit", "e", "g", "a sign <flipped>")])


def test_no_two_boxes_overlap_and_plainer_rules_stand_to_the_left() -> None:
    boxes = placed(TREE)
    assert set(boxes) == set(TREE.nodes)
    for name, one in boxes.items():
        for other_name, other in boxes.items():
            apart = (one.x + one.width <= other.x or other.x + other.width <= one.x
                     or one.y + one.height <= other.y or other.y + other.height <= one.y)
            assert name == other_name or apart
    for edge in TREE.edges:
        if edge.kind == "special":
            assert boxes[edge.start].x + boxes[edge.start].width < boxes[edge.end].x


def test_neighbours_stand_in_the_order_that_crosses_least() -> None:
    edges = [Edge("special", "a", "z", ""), Edge("special", "b", "y", "")]
    assert ordered_columns([["a", "b"], ["y", "z"]], edges) in (
        [["a", "b"], ["z", "y"]], [["b", "a"], ["y", "z"]])


def test_the_picture_is_svg_with_every_name_and_condition() -> None:
    root = ET.fromstring(svg(TREE))
    words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a", "b", "c", "d", "= h", "e", "f", "g", "b = 0", "a sign <flipped>"} <= set(words)
    width, height = (float(root.attrib[n]) for n in ("width", "height"))
    for box in placed(TREE).values():
        assert 0 <= box.x <= box.x + box.width <= width
        assert 0 <= box.y <= box.y + box.height <= height


def test_a_graph_without_edges_is_drawn() -> None:
    assert ET.fromstring(svg(graph("ab", []))).tag.endswith("svg")


# Numbers first.


@pytest.fixture(scope="module")
def found() -> Any:
    return candidates({n: profile(operand(n)) for n in NAMES})


def test_settings_are_found_by_numbers(found: Any) -> None:
    assert found.pairs["adamw", "adam"] == {"wd": "0"}
    assert found.pairs["adam-torch", "adam"] == {"wd": "0"}


def test_rules_that_have_nothing_in_common_are_no_pair(found: Any) -> None:
    assert not [pair for pair in found.pairs if "lion" in pair]
    assert ("adam", "adamw") not in found.pairs
    assert ("adam-keras", "adam") not in found.pairs


def test_an_edit_that_explains_is_found_by_numbers(found: Any) -> None:
    every = list(edits(operand("adam-keras").flat))
    names = [every[n].name for n in found.edits["adam-keras", "adam"]]
    assert "eps after the bias correction" in names


@pytest.mark.parametrize(("wider", "narrower", "set_to"), [
    ("nesterov", "nesterov-lookahead", {}),  # another iterate is reported
    ("sgd", "nesterov", {"nesterov": "true", "damp": "0", "wd": "0"}),
    ("Lookahead(SGD)", "sgd", {"alpha": "1"}),
])
def test_other_ways_to_be_a_special_case(
    wider: str, narrower: str, set_to: dict[str, str]
) -> None:
    some = {n: profile(operand(n)) for n in (wider, narrower)}
    assert candidates(some).pairs[wider, narrower] == set_to


def test_a_profile_is_kept_as_data() -> None:
    one = profile(operand("heavy-ball"))
    assert of_json(json.loads(json.dumps(one.to_json()))) == one


# All together.


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache("family")


def test_a_family(own_cache: Path) -> None:
    ticks: list[tuple[str, int, int]] = []
    first = family(["adam", "adamw", "adamw-torch", "adam-keras"], 1,
                   tick=lambda *tick: ticks.append(tick))
    assert first.graph.nodes["adamw"] == ("adamw", "adamw-torch")
    assert [(e.kind, e.start, e.end, e.text) for e in first.graph.edges] == [
        ("special", "adam", "adamw", "wd = 0"),
        ("edit", "adam-keras", "adamw", "eps after the bias correction")]
    assert ("runs", 4, 4) in ticks
    assert "adamw = adamw-torch\n  with wd = 0: adam" in str(first)
    before = {p: p.stat().st_mtime_ns for p in own_cache.rglob("*.json")}
    assert family(["adam", "adamw", "adamw-torch", "adam-keras"], 1).to_json() == first.to_json()
    assert {p: p.stat().st_mtime_ns for p in own_cache.rglob("*.json")} == before


def test_rules_that_agree_where_both_decays_rest_are_linked(own_cache: Path) -> None:
    found = family(["adamax-optax", "adamax-torch"], 1)
    assert [(e.kind, e.start, e.end, e.text) for e in found.graph.edges] == [
        ("when", "adamax-optax", "adamax-torch", "wd = 0")]
    assert "adamax-torch equal when wd = 0" in str(found)


def test_a_comparison_that_takes_too_long_has_no_answer(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from thetaprime.compare import family as module

    def endless(*_: object) -> None:
        while True:
            pass

    monkeypatch.setattr(module, "kept", endless)
    late = module._compared("adam", "adamw", 1)
    assert (late["verdict"], late["notes"]) == ("unknown", ["no answer within 1 seconds"])
    monkeypatch.setattr(module, "kept", None)  # not asked again
    assert module._compared("adam", "adamw", 1) == late


def test_the_command(call: Call, own_cache: Path) -> None:
    done = call("family", "heavy-ball", "heavy-ball-inside", "--jobs", "1", "--json",
                "-o", "family.svg")
    assert done.code == 0
    assert json.loads(done.out)["nodes"] == [["heavy-ball", "heavy-ball-inside"]]
    assert ET.parse("family.svg").getroot().tag.endswith("svg")


def test_wrong_calls_are_messages(call: Call) -> None:
    assert "error[wrong-call]: a family has two members" in call("family", "adam").err
    assert call("family", "adam").code == 2
    assert "error[unknown-spec]" in call("family", "adam", "adm").err
    assert "error[not-ours]" in call("family", "adam", "adamw", "-o", "family.png").err
