"""The page of a benchmark: whole, without network, and it says what one has to know."""

import re
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
from made_up_judgements import judged, pair, row, scored, yes_no
from PIL import Image

from vlrm.evaluation.measuring.figures import figures_of
from vlrm.evaluation.measuring.mistakes import Shown
from vlrm.evaluation.measuring.paired import compare
from vlrm.evaluation.pages.page import write_comparison, write_report
from vlrm.evaluation.pages.page_tables import p_text

ITEMS = [
    pair(n, n % 2, category="abc"[n % 3], image=f"{n // 2}.png", responses=(f"first {n}", f"the second {n}"))
    for n in range(60)
]
RNG = np.random.default_rng(0)
OURS, THEIRS, BLIND = (RNG.normal(mean, 1, 60) for mean in (1.5, 0.2, 0.0))


def result_of(model, rows, items=ITEMS, suite="made_up", **options):
    return figures_of(iter(items), rows, suite, model=model, draws=60, **options)


@pytest.fixture(scope="module")
def ours():
    rows = pl.concat([scored(ITEMS, OURS).with_columns(text=pl.lit("<b>I think</b>")), scored(ITEMS, BLIND, "blank")])
    return result_of("ours", rows, baselines={"text_only": scored(ITEMS, BLIND)})


class Whole(HTMLParser):
    """Every element is closed, and none fetches anything."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "img", "br", "circle", "rect", "line", "polyline", "polygon"):
            self.open.append(tag)
        for name, value in attributes:
            assert name not in ("href", "srcset"), (name, value)
            assert name != "src" or value.startswith("data:"), value
        assert tag not in ("script", "link", "iframe")

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def check(page):
    parser = Whole()
    parser.feed(page)
    assert parser.open == []
    assert "http" not in page
    return re.sub(r"\s+", " ", page)


def line(page, label):
    """Values of the first row with this label."""
    found = re.search(rf'<th scope="row">{re.escape(label)}</th>(.*?)</tr>', page)
    assert found, label
    return re.findall(r"<td[^>]*>([^<]*)", found[1])


def test_judges_and_floors_stand_in_one_table(ours, tmp_path):
    theirs = result_of("theirs", scored(ITEMS, THEIRS))
    page = check(write_report(tmp_path / "page.html", [ours, theirs]).read_text(encoding="utf-8"))
    assert line(page, "ours")[0] == f"{100 * np.mean(OURS > 0):.1f}"
    assert line(page, "theirs")[0] == f"{100 * np.mean(THEIRS > 0):.1f}"
    assert line(page, "always the first") == ["50.0"] * 5
    assert line(page, "text-only classifier")[0] == f"{100 * np.mean(BLIND > 0):.1f}"
    assert "60 items, 60 judged" in page
    assert "the best that needs no image" in page
    for title in ("By category", "Calibration, ours", "Margins", "Without the right image", "Length"):
        assert f"<h3>{title}</h3>" in page
    assert list(tmp_path.iterdir()) == [tmp_path / "page.html"]  # nothing half-written stays


def test_what_a_judge_wrote_is_text_and_claims_are_html(tmp_path):
    items = [pair(0, responses=("<i>good</i>", "<i>bad</i>"), image="a.png")]
    rows = scored(items, [-1]).with_columns(text=pl.lit("<b>bold</b>"))
    shown = Shown(Image.new("RGB", (8, 8)), ('<span title="claim">good</span>', ""))
    page = check(
        write_report(tmp_path / "page.html", [result_of("m", rows, items, show=lambda _: shown)]).read_text(
            encoding="utf-8"
        )
    )
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert '<span title="claim">good</span>' in page
    assert "&lt;i&gt;bad&lt;/i&gt;" in page
    assert "data:image/jpeg;base64," in page


def test_questions_of_yes_or_no_have_a_table_of_their_own(tmp_path):
    items = [yes_no(n, "yes" if n % 2 else "no", category=("random", "popular")[n % 3 == 0]) for n in range(12)]
    page = check(
        write_report(tmp_path / "page.html", [result_of("m", scored(items, [1] * 12), items, "pope")]).read_text(
            encoding="utf-8"
        )
    )
    assert "<title>m on POPE</title>" in page
    assert line(page, "all") == ["100.0", "100.0", "100.0", "100.0", "50.0"]
    assert line(page, "always yes")[0] == "50.0"
    assert "of the answer yes" in page


def test_what_was_not_judged_and_what_swapping_changes_is_said(tmp_path):
    rows = judged([row(item.key, order, order=order) for item in ITEMS[:40] for order in (0, 1)])
    page = check(write_report(tmp_path / "page.html", [result_of("says one", rows)]).read_text(encoding="utf-8"))
    assert "20 of 60 items were not judged" in page
    assert line(page, "says one")[0] == "50.0"
    assert line(page, "says one")[-1] == "0.0"  # the order-consistency column
    assert line(page, "Prefers what is shown first") == ["100.0"]


def test_two_judges_side_by_side(tmp_path):
    comparison = compare(
        iter(ITEMS), {"ours": scored(ITEMS, OURS), "theirs": scored(ITEMS, THEIRS)}, "made_up", draws=200
    )
    page = check(write_comparison(tmp_path / "two.html", [comparison, comparison]).read_text(encoding="utf-8"))
    difference = 100 * (np.mean(OURS > 0) - np.mean(THEIRS > 0))
    cells = line(page, "Accuracy, a tie one half, unreadable wrong")
    assert cells == [
        f"{difference:+.1f}",
        p_text(comparison.differences["accuracy"].p_value),
        f"{100 * np.mean(OURS > 0):.1f}",
        f"{100 * np.mean(THEIRS > 0):.1f}",
    ]
    assert "gain up" in page
    only = comparison.discordant
    assert f"{only.only_first} : {only.only_second}" in page
    assert page.count("<h2>made up</h2>") == 2


@pytest.mark.parametrize(("p", "told"), [(0.0004, "< .001"), (0.0231, ".023"), (0.5, ".500"), (1.0, "1")])
def test_p_values_as_people_write_them(p, told):
    assert p_text(p) == told


def test_a_result_survives_json(ours):
    assert type(ours).model_validate_json(ours.model_dump_json()) == ours


def test_a_judges_own_critiques_are_no_floor_that_needs_no_image(ours, tmp_path):
    better = ours.baselines["text_only"].model_copy(update={"accuracy": ours.figures["accuracy"]})
    told = ours.model_copy(update={"baselines": ours.baselines | {"critiques": better}})
    page = write_report(tmp_path / "page.html", [told]).read_text(encoding="utf-8")
    assert "its critiques&#39; majority" in page
    assert "needs no image (its critiques" not in page
