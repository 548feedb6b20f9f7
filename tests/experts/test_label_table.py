"""The table of a detector's reliability by label, on a case counted by hand."""

import pytest

from vlrm.errors import UserError
from vlrm.experts.config import build_experts
from vlrm.experts.label_table import label_table
from vlrm.experts.measured import Measured, read_measured
from vlrm.schema import Evidence, SeenObject

LEFT, RIGHT, LOW = (0.0, 0.0, 0.4, 0.4), (0.6, 0.0, 1.0, 0.4), (0.0, 0.6, 0.4, 1.0)


def row(number, label, box, score):
    return Evidence(f"d{number}", "object", label, box, score, "e", "f")


TRUTH = [
    [SeenObject("cat", LEFT), SeenObject("cat", RIGHT), SeenObject("unicorn", LOW)],
    [SeenObject("dog", LEFT)],
    [],
]
FOUND = [
    [row(1, "cat", LEFT, 0.9), row(2, "cat", RIGHT, 0.25)],  # the second is too unsure to be counted
    [row(1, "cat", LEFT, 0.55)],  # a dog taken for a cat
    [],
]


def test_counted_by_hand():
    table = label_table(FOUND, TRUTH, ["cat", "dog", "bird"])
    cat, dog = table["labels"]["cat"], table["labels"]["dog"]
    assert (cat["precision"], cat["recall"], cat["support"]) == (0.5, 0.5, 2)
    assert (cat["count_exact"], cat["count_images"]) == (0.0, 2)
    assert (dog["precision"], dog["recall"], dog["count_exact"]) == (None, 0.0, 0.0)
    assert cat["presence"][9] == [0, 1] and cat["presence"][5] == [1, 0] and cat["presence"][0] == [1, 0]
    assert dog["presence"][0] == [2, 1]
    assert "bird" not in table["labels"] and table["all"]["support"] == 3
    assert sum(sum(pair) for pair in table["all"]["presence"]) == 9  # 3 images by 3 labels


def test_a_file_about_other_experts_is_refused(tmp_path):
    (experts) = build_experts([{"name": "colour"}])
    other = Measured(detectors={"x": {"identity": None, "fingerprint": "f"}}, images=1, table={}, verification={})
    (tmp_path / "r.json").write_text(other.model_dump_json())
    (tmp_path / "broken.json").write_text("{}")
    for name, says in (("r", "other detectors or settings"), ("broken", "does not hold"), ("gone", "does not exist")):
        with pytest.raises(UserError, match=rf"{name}\.json.*{says}.*expert_reliability"):
            read_measured(tmp_path / f"{name}.json", experts)
