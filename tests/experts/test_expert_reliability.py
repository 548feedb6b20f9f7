"""The reliability report on a case small enough to count by hand."""

from vlrm.experts.calibration import match, reliability_report
from vlrm.schema import Evidence, SeenObject

LEFT, RIGHT, FAR = (0.1, 0.1, 0.3, 0.3), (0.6, 0.1, 0.8, 0.3), (0.1, 0.7, 0.3, 0.9)


def row(name, kind, label, box=LEFT, target=None):
    return Evidence(name, kind, label, box, 0.9, "e", "f", target)


TRUTH = [
    SeenObject("ball", LEFT, attributes={"colour": ("red", 1.0), "text": ("TEA", 1.0)}),
    SeenObject("star", RIGHT, attributes={"colour": ("blue", 1.0)}),
    SeenObject("moon", FAR, attributes={"colour": ("green", 1.0)}),
]
EVIDENCE = [
    row("d1", "object", "ball"),
    row("d1.colour", "colour", "red", target="d1"),
    row("d1.text", "text", "TEN", target="d1"),
    row("d2", "object", "heart", RIGHT),  # the right place, the wrong shape
    row("d2.colour", "colour", "blue", RIGHT, target="d2"),
    row("d3", "object", "ring", (0.45, 0.45, 0.55, 0.55)),  # nothing is there
]


def test_counted_by_hand():
    report = reliability_report([EVIDENCE, []], [TRUTH, []])
    objects = report["objects"]
    assert (objects["precision"], objects["recall"], objects["support"]) == (0.3333, 0.3333, 3)
    assert objects["count_exact"] == 1.0
    assert objects["labels"]["ball"] == {"precision": 1.0, "recall": 1.0, "support": 1, "count_exact": 1.0}
    assert objects["labels"]["heart"] == {"precision": 0.0, "recall": None, "support": 0, "count_exact": 0.0}
    assert objects["labels"]["moon"] == {"precision": None, "recall": 0.0, "support": 1, "count_exact": 0.0}
    colour, text = report["attributes"]["colour"], report["attributes"]["text"]
    assert (colour["accuracy"], colour["coverage"], colour["support"]) == (1.0, 1.0, 2)
    assert (text["accuracy"], text["coverage"], text["confusions"]) == (0.0, 1.0, {"TEA -> TEN": 1})


def test_each_box_is_matched_once_and_the_best_overlap_wins():
    near = SeenObject("ball", (0.12, 0.1, 0.32, 0.3))
    assert match([near, TRUTH[0]], [TRUTH[0]]) == [(1, 0)]
    assert match([SeenObject("ball", FAR)], [TRUTH[0]]) == []
