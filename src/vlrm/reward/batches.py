"""The micro-batches of a training, planned before it starts: each is known from its number alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Dataset

from vlrm.images import partial
from vlrm.reward.rows import CritiqueTexts, TrainingPair, rows_of, units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vlrm.reward.critic import CriticExample
    from vlrm.reward.model import Row
    from vlrm.reward.settings import RewardTraining

Visits = list[tuple[int, int]]
"""(epoch, pair number) in the order in which a micro-batch reads them."""
ORDER, DRAWS, TARGETS, LOOKS = range(4)
"""Streams of random numbers: the order of an epoch, what a pair carries in it, the critic targets of a step, and how
well a pair's image is seen."""
WINDOW = 50
"""Micro-batches' worth of shuffled pairs that are sorted by length: enough to match lengths, few enough to mix."""


@dataclass(frozen=True)
class Share:
    """A micro-batch's part of its step in each mean of the loss: over weights, rewards, quad terms and tokens.

    The terms of the micro-batches of a step, times their shares, add up to the loss of the step in one batch.
    """

    weight: float = 1.0
    rewards: float = 1.0
    contrast: float = 1.0
    language: float = 1.0


@dataclass(frozen=True)
class MicroBatch:
    """What one forward pass reads: pairs, their rows (chosen, rejected, chosen, ...), and targets of the critic."""

    pairs: list[TrainingPair]
    rows: list[Row]
    targets: list[CriticExample]
    share: Share = Share()


class TrainingPlan(Dataset[MicroBatch]):
    """All micro-batches of a training in order; step ``s`` reads numbers ``s * per_step`` to ``(s + 1) * per_step``.

    An item depends on seed, settings and its number, never on what was read before: resuming is skipping.

    Args:
        per_step: micro-batches of an optimiser step, accumulation times processes.
        lengths: tokens of rows; read only where ``settings.tokens_per_batch`` is set.
        tokens: tokens that each critic target is learned on; read only where a step has several micro-batches.
    """

    def __init__(
        self,
        pairs: Sequence[TrainingPair],
        critiques: CritiqueTexts,
        targets: Sequence[CriticExample],
        settings: RewardTraining,
        seed: int,
        per_step: int = 1,
        lengths: Callable[[Sequence[Row]], Sequence[int]] | None = None,
        tokens: Callable[[Sequence[CriticExample]], Sequence[int]] | None = None,
    ) -> None:
        self.pairs = pairs
        self.critiques = critiques
        self.targets = targets if settings.language_model > 0 else ()
        self.settings = settings
        self.seed = seed
        self.per_step = per_step
        self._tokens = tokens
        self._units = units(pairs)
        if settings.tokens_per_batch is None:
            self.steps = max(1, math.ceil(settings.epochs * len(pairs) / settings.pairs_per_step))
            made = self._by_pairs()
            self._items = [next(made) for _ in range(self.steps * per_step)]
        else:
            if lengths is None:
                raise ValueError("batches under a token budget need the lengths of rows")
            self._items = self._whole_epochs(self._by_tokens(settings.tokens_per_batch, lengths))
            self.steps = len(self._items) // per_step

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, number: int) -> MicroBatch:
        first = number - number % self.per_step
        step = [self._pairs_of(i) for i in range(first, first + self.per_step)]
        here = number - first
        targets = self._targets_of(first // self.per_step, [len(pairs) for pairs in step])
        rows = [row for epoch, pair in self._items[number] for row in self._rows(epoch, pair)]
        return MicroBatch(step[here], rows, targets[here], self._share(step, targets, here))

    def visits(self, number: int) -> Visits:
        """Which pairs an item reads, and in which epoch."""
        return list(self._items[number])

    # --- which pairs ------------------------------------------------------------------------------------------------

    def _epoch(self, epoch: int) -> list[Visits]:
        order = np.random.default_rng((self.seed, ORDER, epoch)).permutation(len(self._units))
        return [[(epoch, pair) for pair in self._units[unit]] for unit in order]

    def _by_pairs(self) -> Iterator[Visits]:
        """Steps of at least ``pairs_per_step`` pairs, whole quads, each cut into ``per_step`` parts."""
        step: list[Visits] = []
        for epoch in count():
            for unit in self._epoch(epoch):
                step.append(unit)
                if len(step) >= self.per_step and sum(map(len, step)) >= self.settings.pairs_per_step:
                    yield from _cut(step, self.per_step)
                    step = []

    def _by_tokens(self, budget: int, lengths: Callable[[Sequence[Row]], Sequence[int]]) -> Iterator[Visits]:
        """Micro-batches of units of like length, in random order; a unit above the budget stands alone."""
        for epoch in count():
            shuffled = self._epoch(epoch)
            rows = [row for unit in shuffled for _, pair in unit for row in self._rows(epoch, pair)]
            of_rows = iter(lengths(rows))
            sizes = [max(next(of_rows) + next(of_rows) for _ in unit) for unit in shuffled]
            rng = np.random.default_rng((self.seed, ORDER, epoch, 1))
            for window in _windows(shuffled, sizes, WINDOW * budget):
                batches = _filled([shuffled[i] for i in window], [sizes[i] for i in window], budget)
                for i in rng.permutation(len(batches)):
                    yield batches[i]

    def _whole_epochs(self, made: Iterator[Visits]) -> list[Visits]:
        """Items until all epochs are read and the last step is whole."""
        items: list[Visits] = []
        read = 0
        while read < self.settings.epochs * len(self.pairs) or len(items) % self.per_step:
            items.append(next(made))
            read += len(items[-1])
        return items

    # --- what they carry --------------------------------------------------------------------------------------------

    def _rows(self, epoch: int, pair: int) -> tuple[Row, Row]:
        rng = np.random.default_rng((self.seed, DRAWS, epoch, pair))
        return rows_of(
            self._as_seen(epoch, pair), self.critiques, rng, self.settings.with_critique, self.settings.perturbed
        )

    def _as_seen(self, epoch: int, pair: int) -> TrainingPair:
        """A pair with its image, or with chance ``partial`` the image seen badly, in every epoch in another way."""
        one = self.pairs[pair]
        if self.settings.partial == 0:
            return one
        rng = np.random.default_rng((self.seed, LOOKS, epoch, pair))
        if rng.random() >= self.settings.partial:
            return one
        return replace(one, image=partial(one.image, int(rng.integers(2**31))))

    def _pairs_of(self, number: int) -> list[TrainingPair]:
        return [self.pairs[pair] for _, pair in self._items[number]]

    def _targets_of(self, step: int, sizes: Sequence[int]) -> list[list[CriticExample]]:
        """Critic targets of each micro-batch of a step: half as many as it has pairs, at least one."""
        if not self.targets:
            return [[] for _ in sizes]
        if self.settings.tokens_per_batch is None:
            wanted = max(self.settings.pairs_per_step // 2, self.per_step)
            parts = [len(part) for part in np.array_split(range(wanted), self.per_step)]
        else:
            parts = [max(1, size // 2) for size in sizes]
        drawn = np.random.default_rng((self.seed, TARGETS, step)).integers(len(self.targets), size=sum(parts))
        ends = np.cumsum([0, *parts])
        return [[self.targets[i] for i in drawn[start:end]] for start, end in pairwise(ends)]

    def _share(self, step: Sequence[list[TrainingPair]], targets: Sequence[list[CriticExample]], here: int) -> Share:
        if len(step) == 1:
            return Share()
        counted = self._tokens or (lambda examples: [1] * len(examples))
        return Share(
            _part([sum(pair.weight for pair in pairs) for pairs in step], here),
            _part([len(pairs) for pairs in step], here),
            _part([contrast_terms(pairs) for pairs in step], here),
            _part([sum(counted(examples)) if examples else 0 for examples in targets], here),
        )


def contrast_terms(pairs: Sequence[TrainingPair]) -> int:
    """How many terms the image contrast has over these pairs: two for each pair that meets its quad's first."""
    quads = [pair.quad for pair in pairs if pair.quad is not None]
    return 2 * (len(quads) - len(set(quads)))


def _part(sizes: Sequence[float], here: int) -> float:
    whole = sum(sizes)
    return sizes[here] / whole if whole else 0.0


def _cut(step: Sequence[Visits], parts: int) -> list[Visits]:
    """Units of a step dealt out to parts of about as many pairs, none empty."""
    if parts == 1:
        return [[visit for unit in step for visit in unit]]
    made: list[Visits] = [[] for _ in range(parts)]
    for unit in sorted(step, key=len, reverse=True):
        min(made, key=len).extend(unit)
    return made


def _windows(shuffled: Sequence[Visits], sizes: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Numbers of consecutive units that hold about so many tokens, sorted by length."""
    window: list[int] = []
    held = 0
    for i, unit in enumerate(shuffled):
        window.append(i)
        held += len(unit) * sizes[i]
        if held >= tokens or i == len(shuffled) - 1:
            yield sorted(window, key=sizes.__getitem__)
            window, held = [], 0


def _filled(sorted_units: Sequence[Visits], sizes: Sequence[int], budget: int) -> list[Visits]:
    """Consecutive units of ascending length in batches whose pairs, each as long as the longest, fit the budget."""
    batches: list[Visits] = []
    batch: Visits = []
    for unit, size in zip(sorted_units, sizes, strict=True):
        if batch and (len(batch) + len(unit)) * size > budget:
            batches.append(batch)
            batch = []
        batch = [*batch, *unit]
    return [*batches, batch] if batch else batches
