"""The plan of a training: every pair as often as it should be, quads whole, each item known from its number."""

from __future__ import annotations

from collections import Counter

import pytest
from training_cases import SEEN, critiques, pairs_about, settings, targets

from vlrm.images import whole
from vlrm.reward.batches import Share, TrainingPlan, contrast_terms
from vlrm.reward.rows import TrainingPair

IMAGES = ["red", "blue", "green"]
PAIRS = pairs_about(IMAGES, single=30, quads=20)


def plan(per_step: int = 1, seed: int = 0, lengths=None, **given) -> TrainingPlan:
    chosen = settings(**{"pairs_per_step": 8, "epochs": 2.0} | given)
    tokens = lambda examples: [len(e.critique) for e in examples]  # noqa: E731
    return TrainingPlan(PAIRS, critiques(), targets(IMAGES), chosen, seed, per_step, lengths, tokens)


def by_letters(rows) -> list[int]:
    return [len(row.response) + len(row.critique or "") for row in rows]


def visits(made: TrainingPlan) -> list[tuple[int, int]]:
    return [visit for i in range(len(made)) for visit in made.visits(i)]


@pytest.mark.parametrize("given", [{}, {"per_step": 4}, {"tokens_per_batch": 400, "lengths": by_letters}])
def test_every_epoch_reads_every_pair_once_in_an_order_of_its_own(given):
    read = visits(plan(**given))
    first = [pair for epoch, pair in read if epoch == 0]
    assert Counter(first) == Counter(range(len(PAIRS)))
    second = [pair for epoch, pair in read if epoch == 1]
    assert len(set(second)) == len(second) >= len(PAIRS) - 10
    assert first[: len(second)] != second
    assert first != sorted(first)


@pytest.mark.parametrize("per_step", [1, 2, 3, 4])
@pytest.mark.parametrize("tokens", [None, 300])
def test_a_quad_is_never_split(per_step, tokens):
    made = plan(per_step, tokens_per_batch=tokens, lengths=by_letters)
    for item in (made[i] for i in range(len(made))):
        quads = Counter(pair.quad for pair in item.pairs if pair.quad is not None)
        assert all(number % 2 == 0 for number in quads.values())


def test_a_step_has_the_pairs_it_was_promised_however_many_parts_it_is_cut_into():
    for per_step in (1, 2, 4):
        made = plan(per_step)
        assert made.steps == len(made) / per_step == 18  # 2 epochs of 70 pairs by 8
        sizes = [sum(len(made[s * per_step + i].pairs) for i in range(per_step)) for s in range(made.steps)]
        assert set(sizes) <= {8, 9}
        assert min(len(made[i].pairs) for i in range(len(made))) >= 1


def test_an_item_is_the_same_whoever_asks_for_it_and_when():
    one, other = plan(2), plan(2)
    backwards = {i: other[i] for i in reversed(range(len(other)))}
    assert all(one[i] == backwards[i] for i in range(len(one)))
    assert any(plan(2, seed=1)[i] != one[i] for i in range(4))


def test_a_pair_draws_another_critique_in_another_epoch():
    drawn: dict[int, set] = {}
    made = plan(epochs=6)
    for i in range(len(made)):
        for (_, pair), row in zip(made.visits(i), made[i].rows[::2], strict=True):
            drawn.setdefault(pair, set()).add(row.critique)
    several = [pair for pair, found in drawn.items() if len(found) > 1]
    assert len(several) > len(drawn) / 4
    assert None in set().union(*drawn.values()) and SEEN in set().union(*drawn.values())


def test_batches_under_a_token_budget_keep_to_it_and_hold_pairs_of_like_length():
    budget = 500
    made = plan(tokens_per_batch=budget, lengths=by_letters)
    spread = []
    for i in range(len(made)):
        rows = by_letters(made[i].rows)
        pairs = [a + b for a, b in zip(rows[::2], rows[1::2], strict=True)]
        assert len(pairs) * max(pairs) <= budget or len(pairs) <= 2
        spread.append((max(pairs) - min(pairs)) * len(pairs))
    mixed = plan()
    unsorted = []
    for i in range(len(mixed)):
        rows = by_letters(mixed[i].rows)
        pairs = [a + b for a, b in zip(rows[::2], rows[1::2], strict=True)]
        unsorted.append((max(pairs) - min(pairs)) * len(pairs))
    assert sum(spread) < sum(unsorted) / 3
    longest = [max(by_letters(made[i].rows)) for i in range(len(made))]
    assert longest != sorted(longest) and longest != sorted(longest, reverse=True)


def test_a_pair_longer_than_the_budget_is_a_batch_of_its_own():
    made = plan(tokens_per_batch=1, lengths=by_letters, epochs=1)
    assert all(len(made[i].pairs) == (1 if made[i].pairs[0].quad is None else 2) for i in range(len(made)))


@pytest.mark.parametrize("tokens", [None, 300])
def test_the_shares_of_a_step_add_up_to_one(tokens):
    made = plan(3, tokens_per_batch=tokens, lengths=by_letters)
    for step in range(made.steps):
        items = [made[step * 3 + i] for i in range(3)]
        for name in ("weight", "rewards", "language"):
            assert sum(getattr(item.share, name) for item in items) == pytest.approx(1)
        contrast = sum(item.share.contrast for item in items)
        assert contrast == pytest.approx(1 if any(contrast_terms(item.pairs) for item in items) else 0)
    assert plan(1)[0].share == Share()


def test_a_quad_of_which_one_pair_was_kept_has_no_contrast():
    lone = TrainingPair("i", "q", "a", "b", "1", "2", 1.0, 0.0, "quad")
    assert contrast_terms([lone]) == 0
    assert contrast_terms([lone, lone]) == 2


def test_critic_targets_are_half_as_many_as_pairs_and_none_without_a_language_loss():
    assert {len(plan()[i].targets) for i in range(5)} == {4}
    assert {len(plan(2)[i].targets) for i in range(5)} == {2}
    assert {len(plan(language_model=0.0)[i].targets) for i in range(5)} == {0}


def test_fewer_pairs_than_a_step_has_are_read_again():
    few = pairs_about(IMAGES, single=1, quads=0)
    made = TrainingPlan(few, {}, [], settings(pairs_per_step=4, epochs=8), 0, per_step=2)
    assert made.steps == 2
    assert [len(made[i].pairs) for i in range(4)] == [2, 2, 2, 2]


def test_a_pair_is_seen_badly_as_often_as_asked_and_carries_what_it_carried():
    whole_looks, some = plan(), plan(partial=0.5)
    seen = Counter()
    for number in range(len(some)):
        before, item = whole_looks[number], some[number]
        assert [row.critique for row in item.rows] == [row.critique for row in before.rows]
        assert [whole(row.image)[1] for row in item.rows] == [row.image for row in before.rows]
        for chosen, rejected in zip(item.rows[::2], item.rows[1::2], strict=True):
            assert chosen.image == rejected.image  # one look for both sides
            seen[whole(chosen.image)[0] is not None] += 1
        assert [row.image for row in plan(partial=0.5)[number].rows] == [row.image for row in item.rows]
    assert 0.35 < seen[True] / seen.total() < 0.65
