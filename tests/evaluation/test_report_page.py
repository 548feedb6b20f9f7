"""The page holds what it is given, needs no network, and cannot be broken by what models write."""

import json
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from made_up_exams import exam_of, item, realistic, score, scores_of
from PIL import Image
from rich.console import Console

from vlrm.critiques.quality import MEASURES, CritiqueQuality, Quality
from vlrm.evaluation.baselines import baseline_figures
from vlrm.evaluation.best_of_n import best_of_n
from vlrm.evaluation.charts import ticks
from vlrm.evaluation.figures import Figure
from vlrm.evaluation.metrics import evaluate, gains
from vlrm.evaluation.outcomes import Outcomes
from vlrm.evaluation.report import render_report
from vlrm.evaluation.report_critiques import KINDS, critique_tables
from vlrm.evaluation.report_data import Refusals, ReportData, RoundReport, round_report, worst_mistakes
from vlrm.evaluation.summary import summary_json, terminal_table

TESTS = {"q_plus": 0.35, "verifiable": 0.2, "veto": 0.04, "length": 0.3, "duplicate": 0.1, "budget": 0.4}


def waterfall(offered: int) -> list[Refusals]:
    steps = []
    for source, share in (("candidates", 0.6), ("counterfactual", 0.4)):
        left = int(offered * share)
        steps.append(Refusals(source=source, test="offered", refused=0, left=left))
        for test, refused in TESTS.items():
            gone = int(left * refused)
            left -= gone
            steps.append(Refusals(source=source, test=test, refused=gone, left=left))
        steps.append(Refusals(source=source, test="kept", refused=0, left=left))
    return steps


def criticised() -> CritiqueQuality:
    figures = {"verdict_accuracy": Figure(value=0.713, low=0.6, high=0.8, n=40)}
    some = Quality(
        critiques=52, responses=26, figures=figures, refused={"cites_nothing": 12}, tokens_mean=43.2, tokens_p95=66
    )
    return CritiqueQuality(with_evidence=some, targets=some, on_policy=Quality(critiques=0, responses=0))


def made_up(images: Path) -> ReportData:
    import polars as pl

    rounds, every = [], []
    for number, skill in enumerate((0.35, 1.0, 1.5, 1.8)):
        exam, scores = realistic(skill, items=240)
        outcomes = Outcomes.read(exam, scores)
        floors, balanced = baseline_figures(outcomes, draws=300)
        metrics = evaluate(outcomes, "critiques" if number else "plain", gate=outcomes, balanced=balanced, draws=300)
        offered = 1400 * number
        kept = sum(step.left for step in waterfall(offered) if step.test == "kept")
        more = {
            "pairs_offered": offered,
            "pairs_kept": kept,
            "waterfall": waterfall(offered) if number else [],
        }
        report = round_report(number, outcomes, metrics, **more)
        rounds.append(report.model_copy(update={"critiques": criticised() if number else None}))
        every.append((outcomes, metrics))
    rng = np.random.default_rng(0)
    false = rng.poisson(0.9, (60, 16))
    names = np.repeat([f"p{i}" for i in range(60)], 16)
    table = {
        "prompt_id": names,
        "image_sha256": names,
        "sample": np.tile(np.arange(16), 60),
        "false_claims": false.ravel(),
    }
    table |= {
        "true_claims": rng.poisson(3.2, 960),
        "reward": (-false + rng.normal(0, 1, false.shape)).ravel(),
    }
    for index in range(40):
        picture = Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))
        picture.save(images / f"img{index}.png")
    return ReportData(
        subtitle="Made-up figures of realistic shape.",
        rounds=rounds,
        gains=gains(every[-1][0], "critiques", every[0][0], "plain", balanced=balanced, draws=300),
        baselines=floors,
        best_of_n=best_of_n(pl.DataFrame(table), draws=200),
        mistakes=worst_mistakes(*every[-1], images=images),
        seconds=512.0,
        peak_memory_mb=2310.0,
        champion="vlrm version 3",
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> ReportData:
    return made_up(tmp_path_factory.mktemp("images"))


class Checker(HTMLParser):
    VOID = frozenset({"meta", "img", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_self_contained(data):
    page = render_report(data)
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert all(link.startswith("data:image/jpeg;base64,") for link in checker.links)
    assert "<script" not in page
    assert not re.search(r"url\(|https?://|@import", page)
    assert len(page) < 1_000_000
    for title in (
        "Round by round",
        "Modality bias",
        "Best of N",
        "Most confident mistakes",
        "Which pairs were kept",
    ):
        assert title in page
    assert page.count("<svg") == 13


def test_every_chart_is_xml_within_its_frame(data):
    for svg in re.findall(r"<svg.*?</svg>", render_report(data), flags=re.DOTALL):
        root = ElementTree.fromstring(svg)
        width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
        for node in root.iter():
            for name in ("x", "x1", "x2", "cx"):
                assert -1 <= float(node.attrib.get(name, 0)) <= width
            for name in ("y", "y1", "y2", "cy"):
                assert -1 <= float(node.attrib.get(name, 0)) <= height


def test_figures_on_the_page_are_the_figures(data):
    page = render_report(data)
    for one in data.rounds:
        figure = one.figure("hallucination_accuracy")
        assert f"<td>{100 * figure.value:.1f}<small>{100 * figure.low:.0f}–{100 * figure.high:.0f}</small></td>" in page


def test_what_is_kept_of_each_source_is_said(data):
    one = data.rounds[-1]
    left = {(step.source, step.test): step.left for step in one.waterfall}
    said = f"candidates {left['candidates', 'kept']:,} of {left['candidates', 'offered']:,}, counterfactual "
    assert said in render_report(data)


def test_text_of_models_is_escaped(data):
    nasty = '<script>alert("x")</script>'
    broken = data.mistakes[0].model_copy(update={"chosen": nasty, "question": nasty})
    page = render_report(data.model_copy(update={"mistakes": [broken]}))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_run_without_truth_still_has_a_page():
    data = ReportData(rounds=[RoundReport(round=0), RoundReport(round=1, pairs_offered=9, pairs_kept=4)])
    page = render_report(data)
    assert "Pairs kept" in page
    assert "Modality bias" not in page


def test_report_data_survives_json(data):
    assert ReportData.model_validate_json(data.model_dump_json()) == data


def test_mistakes_are_the_widest_wrong_margins(tmp_path):
    rows = [item("a"), item("b"), item("c"), item("d")]
    margins = {"a": -1.0, "b": -3.0, "c": 2.0, "d": -2.0}
    outcomes = Outcomes.read(exam_of(*rows), scores_of(*(score(n, m) for n, m in margins.items())))
    Image.new("RGB", (400, 200)).save(tmp_path / "img-b.png")
    found = worst_mistakes(outcomes, evaluate(outcomes, "plain", draws=20), tmp_path, count=2)
    assert [(m.item_id, m.margin) for m in found] == [("b", -3.0), ("d", -2.0)]
    assert found[0].image_jpeg
    assert not found[1].image_jpeg


def test_terminal_table_has_a_line_for_each_round(data):
    out = StringIO()
    Console(file=out, width=200).print(
        terminal_table(summary_json([*data.rounds, RoundReport(round=4)], 1.0, 1.0, None)["rounds"])
    )
    lines = [line for line in out.getvalue().splitlines() if re.match(r"│\s+\d", line)]
    assert len(lines) == 5
    figure = data.rounds[1].figure("hallucination_accuracy")
    assert f"{100 * figure.value:.1f} ({100 * figure.low:.1f}-{100 * figure.high:.1f})" in lines[1]
    assert lines[4].count(" - ") == 5


def test_summary_has_exactly_the_promised_fields(data):
    summary = json.loads(json.dumps(summary_json([*data.rounds, RoundReport(round=4)], 1.0, 2.0, "vlrm/3")))
    assert set(summary) == {"rounds", "seconds", "peak_memory_mb", "champion"}
    names = {"hallucination_accuracy", "reasoning_consistency", "quad_accuracy", "organic_accuracy"}
    names |= {"prior_breaking_accuracy", "blank_image_accuracy"}
    for one in summary["rounds"]:
        assert set(one) == names | {"round", "pairs_offered", "pairs_kept"}
    assert set(summary["rounds"][0]["quad_accuracy"]) == {"value", "low", "high"}
    assert all(summary["rounds"][4][name] is None for name in names)


def test_ticks_are_round_and_inside():
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert all(-3.7 <= t <= 8.1 for t in ticks(-3.7, 8.1))
    assert ticks(1, 1) == [1]


def test_each_kind_of_critiques_has_a_table_over_the_rounds_that_have_some(data: ReportData) -> None:
    tables = critique_tables(data.rounds)
    assert [one.title for one in tables] == [KINDS["with_evidence"], KINDS["targets"], KINDS["on_policy"]][:2]
    assert tables[0].rounds == [1, 2, 3]
    rows = dict(tables[0].rows)
    assert rows[MEASURES["verdict_accuracy"]] == [("71.3", "60–80")] * 3
    assert rows["refused: cites nothing"] == [("12", "")] * 3
    assert "71.3" in render_report(data)


def test_a_page_without_critiques_has_no_table_of_them(data: ReportData) -> None:
    bare = data.model_copy(update={"rounds": [one.model_copy(update={"critiques": None}) for one in data.rounds]})
    assert "<h2>Critiques</h2>" in render_report(data)
    assert "<h2>Critiques</h2>" not in render_report(bare)
