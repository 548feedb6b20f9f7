"""An ablation's command ends with the rounds, the arms, and where their report is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from made_up_arms import outcomes

from vlrm.ablation.compare import compare, measure
from vlrm.ending import EndingHooks
from vlrm.lineage.hashing import plain

ITERATE = {"rounds": [], "seconds": 12.0, "peak_memory_mb": 900.0, "champion": "models:/vlrm/1"}
PROMOTION = {"promote": True, "reasons": []}


class MadeUpCatalog:
    """Holds documents by name; files are told, not made."""

    def __init__(self, **documents: object) -> None:
        self.documents = documents

    def exists(self, name: str) -> bool:
        return name in self.documents

    def load(self, name: str) -> object:
        return self.documents[name]

    def get(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(path=Path("data/08_reporting") / name)


def test_the_arms_are_shown_after_the_rounds(capsys) -> None:
    full, worse = outcomes(np.ones(40)), outcomes(-np.ones(40))
    measured = measure(worse, full, {"no_quads": worse}, np.ones(40, bool))
    found = compare([measured], rounds=1, pairs={"full": 20, "no_quads": 20}, labels=[], draws=20)
    names = ("iterate_summary", "report", "ablation_summary", "ablation_report")
    catalog = MadeUpCatalog(iterate_summary=ITERATE, promotion=PROMOTION, ablation_summary=plain(found))
    EndingHooks().after_pipeline_run(SimpleNamespace(all_outputs=lambda: set(names)), catalog)
    said = capsys.readouterr().out
    assert said.index("Rounds on the report split") < said.index("Arms beside the full loop")
    assert "-100.0 (-100.0 to -100.0)" in said
    assert f"Ablation  {Path('data/08_reporting/ablation_report')}" in said


def test_a_loop_alone_says_nothing_of_arms(capsys) -> None:
    pipeline = SimpleNamespace(all_outputs=lambda: {"iterate_summary", "report"})
    EndingHooks().after_pipeline_run(pipeline, MadeUpCatalog(iterate_summary=ITERATE, promotion=PROMOTION))
    assert "Arms" not in capsys.readouterr().out
