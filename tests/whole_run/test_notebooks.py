"""The notebooks run on a finished run and show what they say; in git they have no outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
PLOTLY = "application/vnd.plotly.v1+json"


def test_there_are_three():
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_has_no_outputs_in_git(path):
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


def shown(path: Path) -> tuple[str, list[dict]]:
    """Everything a notebook shows: its texts and HTML, and its figures."""
    notebook = nbformat.read(path, 4)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    ).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    bundles = [output.get("data", {}) for output in outputs]
    texts = [output.get("text", "") for output in outputs]
    texts += [str(bundle.get(kind, "")) for bundle in bundles for kind in ("text/html", "text/plain")]
    return "\n".join(texts), [bundle[PLOTLY] for bundle in bundles if PLOTLY in bundle]


@pytest.fixture
def on_the_run(whole_run, monkeypatch):
    monkeypatch.setenv("VLRM_DATA", str(whole_run.data))
    monkeypatch.setenv("VLRM_EXPERIMENT", "smoke")


def test_inside_a_round(on_the_run):
    text, figures = shown(NOTEBOOKS[0])
    assert "experiment smoke" in text and "round_02" in text
    assert "border-bottom:2px solid #2a9d6a" in text
    types = ["bar", "waterfall", "histogram", "scatter", "histogram"]
    assert [figure["data"][0]["type"] for figure in figures] == types
    assert [len(trace["x"]) for trace in figures[-1]["data"]] == [len(figures[-1]["data"][0]["x"])] * 2
    refused = text.count("refused: ")
    assert 3 <= refused <= 6 and text.count("better, says the evidence") == 6 + refused
    assert all(len(figure["data"][0]["x"]) > 0 for figure in figures)


def test_evidence_behind_a_pair(on_the_run):
    text, _ = shown(NOTEBOOKS[1])
    assert "Kept: it passes every test" in text
    assert "refused by the test" in text
    assert "Verdict:" in text
    assert "rejected_not_clearly_false" in text


def test_compare_rounds(on_the_run):
    text, figures = shown(NOTEBOOKS[2])
    assert "against round 0" in text
    assert "round 02" in text and "FINISHED" in text
    assert [figure["data"][0]["x"] for figure in figures[:2]] == [[0, 1, 2], [0, 1, 2]]


def test_without_a_run_the_way_to_one_is_named(tmp_path):
    from vlrm.catalog.finished import Finished
    from vlrm.errors import UserError

    with pytest.raises(UserError, match=r"no finished round under .*kedro run --pipelines iterate.*VLRM_DATA"):
        Finished.open(str(tmp_path), "nobody")
