"""The expert of docs/experts.md works as it stands there."""

import re
from pathlib import Path

import yaml
from PIL import Image

from vlrm.experts.annotate import run_experts
from vlrm.experts.config import build_experts
from vlrm.experts.registry import known_experts
from vlrm.schema import Evidence

PAGE = (Path(__file__).parents[2] / "docs/experts.md").read_text()


class Halves:
    name, fingerprint, labels = "halves", "one", ("half",)

    def annotate(self, images, found):
        boxes = [(0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)]
        return [
            [Evidence(f"d{n}", "object", "half", box, 0.9, self.name, "one") for n, box in enumerate(boxes, start=1)]
            for _ in images
        ]


def test_the_example_is_one_file_and_one_entry(tmp_path, monkeypatch):
    section = PAGE[PAGE.index("## Add an expert") :]
    (source,), (entry,) = (re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL) for kind in ("python", "yaml"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "brightness.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    experts = build_experts(yaml.safe_load(entry)["experts"])
    image = Image.new("RGB", (20, 10), "white")
    image.paste("black", (0, 0, 10, 10))
    (rows,) = run_experts([Halves(), *experts], [image])
    assert [(row.target, row.label) for row in rows if row.kind == "brightness"] == [("d1", "dark"), ("d2", "bright")]
    (other,) = build_experts([{"name": "mine.brightness:Brightness"}])
    assert other.fingerprint != experts[0].fingerprint
    assert known_experts(tmp_path / "mine", "mine") == {"brightness": "mine.brightness:Brightness"}


def test_the_table_names_every_expert():
    table = PAGE[: PAGE.index("They stand in")]
    assert {name for name in known_experts() if f"`{name}`" not in table} == set()
