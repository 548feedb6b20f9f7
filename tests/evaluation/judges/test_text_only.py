"""Language alone is learned out of fold: what a pair's own image gives away never helps to judge it."""

from __future__ import annotations

from vlrm.evaluation.benchmarks.building import describe, pair, yes_no
from vlrm.evaluation.judges.protocol import TIE
from vlrm.evaluation.judges.text_only import GENERIC, TextOnly, _case, clusters_of


def accuracy(items, **settings):
    judge = TextOnly(items, **settings)
    rows = [rows[0] for rows in judge.judge(items, [None] * len(items))]
    right = [
        0.5 if row.preferred == TIE else float(row.preferred == item.better)
        for item, row in zip(items, rows, strict=True)
    ]
    return sum(right) / len(right)


def test_a_word_that_gives_the_answer_away_is_found_wherever_the_better_answer_stands():
    items = []
    for number in range(40):
        sides = ("The cat sleeps.", "The cat perhaps sleeps.")
        better = number % 2
        items.append(pair(str(number), "Q?", f"{number}.png", sides if better == 0 else sides[::-1], better, "all"))
    assert accuracy(items) == 1.0


def test_what_only_the_own_image_tells_is_worth_nothing():
    """Each image has a word of its own by which all its pairs could be told, were they learned from together."""
    items = [
        pair(f"{image}/{again}", f"Q{image}?", f"{image}.png", (f"word{image}", f"other{image}"), image % 2, "all")
        for image in range(20)
        for again in range(4)
    ]
    assert accuracy(items) == 0.5
    assert all(rows[0].preferred == TIE for rows in TextOnly(items).judge(items, [None] * len(items)))


def test_yes_or_no_questions_are_learned_from_other_images():
    nouns = {"person": 0, "car": 0, "bear": 1, "toaster": 1}
    items = [
        yes_no(f"{image}/{noun}", f"Is there a {noun} in the image?", f"{image}.png", answer, "all")
        for image in range(10)
        for noun, answer in nouns.items()
    ]
    assert accuracy(items) == 1.0


def test_rewards_are_half_the_margin_each_way():
    items = [pair(str(n), "Q?", f"{n}.png", ("good", "bad"), 0, "all") for n in range(10)]
    for (row,) in TextOnly(items).judge(items, [None] * 10):
        assert row.preferred == 0 and row.reward_0 == -row.reward_1 > 0


def test_pairs_of_one_image_group_or_telling_question_are_kept_together():
    def cluster(*items):
        return clusters_of([_case(item) for item in items], by_question=True)

    def item(name, question, image, group=None):
        return pair(name, question, image, ("a", "b"), 0, "all", group)

    first, second, third, fourth = cluster(
        item("1", "Q1", "a.png"), item("2", "Q2", "a.png"), item("3", "Q2", "b.png"), item("4", "Q3", "c.png")
    )
    assert first == second == third != fourth
    one, other = cluster(item("1", "Q1", "a.png", "g"), item("2", "Q2", "b.png", "g"))
    assert one == other
    generic = cluster(*(item(str(n), "Describe it.", f"{n}.png") for n in range(GENERIC + 1)))
    assert len(set(generic)) == GENERIC + 1
    bytes_, same, another = cluster(item("1", "Q1", b"x"), item("2", "Q2", b"x"), item("3", "Q3", b"y"))
    assert bytes_ == same != another
    text, again = cluster(item("1", "Q1", None), item("2", "Q1", None))
    assert text == again


def test_too_few_images_are_said_and_not_judged():
    items = [pair(str(n), "Q?", "a.png", ("good", "bad"), 0, "all") for n in range(10)]
    (row,) = TextOnly(items).judge(items, [None] * 10)[0]
    assert row.preferred is None and "fewer than 5 images" in row.problem


def test_of_many_items_a_part_is_taken_whatever_their_order():
    items = [pair(str(n), f"Q{n}?", f"{n}.png", ("good", "bad"), 0, "all") for n in range(100)]
    some, turned = TextOnly(items, most=30), TextOnly(items[::-1], most=30)
    assert some.fingerprint == turned.fingerprint != TextOnly(items).fingerprint
    rows = [rows[0] for rows in some.judge(items, [None] * 100)]
    assert sum(row.preferred == 0 for row in rows) == 30
    assert sum("not among the 30 items" in (row.problem or "") for row in rows) == 70


def test_items_that_ask_for_a_text_are_left_out():
    judge = TextOnly([describe("1", "Describe it.", "a.png", "all")])
    assert judge.judge([], []) == []
