"""The most confident mistakes: the right ones, with their texts, pictures and what the judge said."""

import base64
import io

import numpy as np
import pytest
from made_up_judgements import judged, pair, row, scored
from PIL import Image
from scipy.special import expit

from vlrm.evaluation.measuring.figures import figures_of
from vlrm.evaluation.measuring.mistakes import LONGEST, Shown


def mistakes(items, rows, **options):
    return figures_of(iter(items), rows, "made_up", model="a judge", draws=20, **options)


def test_the_ten_worst_in_their_order():
    rng = np.random.default_rng(0)
    margins = rng.normal(0, 1, 200)
    items = [pair(n, n % 2, responses=(f"a{n}", f"b{n}")) for n in range(200)]
    result = mistakes(items, scored(items, margins))
    order = np.argsort(margins)[:10]
    assert [one.id for one in result.mistakes] == [f"k{n}" for n in order]
    first, worst = result.mistakes[0], int(order[0])
    assert (first.better, first.worse) == ((f"a{worst}", f"b{worst}") if worst % 2 == 0 else (f"b{worst}", f"a{worst}"))
    assert first.margin == pytest.approx(margins[worst])
    assert first.confidence == pytest.approx(expit(-margins[worst] / result.temperature))


def test_right_answers_ties_and_unreadable_ones_are_no_mistakes():
    items = [pair(n) for n in range(4)]
    rows = judged([row("k0", 0), row("k1", -1), row("k2", None, text="?"), row("k3", 1, text="Answer 2 is better.")])
    (only,) = mistakes(items, rows).mistakes
    assert (only.id, only.said, only.confidence) == ("k3", ["Answer 2 is better."], 1.0)


def test_pictures_and_claims_come_from_who_can_show_them_and_texts_are_cut():
    items = [pair(0, better=1, responses=("wrong " * 1000, "right"))]

    def show(item):
        assert item.key == "k0"
        return Shown(Image.new("RGB", (900, 600), "red"), ("<i>wrong</i>", "<i>right</i>"))

    (only,) = mistakes(items, scored(items, [-1]), show=show).mistakes
    picture = Image.open(io.BytesIO(base64.b64decode(only.image_jpeg)))
    assert (picture.format, picture.size) == ("JPEG", (320, 213))
    assert only.claims == ("<i>right</i>", "<i>wrong</i>")
    assert len(only.worse) <= LONGEST + 2
    assert only.worse.endswith("…")
