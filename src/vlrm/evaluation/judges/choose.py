"""Makes the judge that a command names."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vlrm.errors import UserError
from vlrm.evaluation.judges.generative import GenerativeJudge, Voting
from vlrm.evaluation.judges.trivial import RULES, trivial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vlrm.devices import PrecisionOrAuto
    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.judges.protocol import Judge
    from vlrm.policy.endpoint_settings import Endpoint

TEXT_ONLY, DETECTOR_RULE = "text_only", "detector_rule"
CLASSIFIER, WRITER = "classifier", "judge"
POLICY = "policy"
"""``judge:policy`` is the model that writes candidates and critiques: the endpoint where there is one."""
REWARD_MODELS = ("champion", "challenger", "round_0")
NAMES = (*REWARD_MODELS, *RULES, TEXT_ONLY, DETECTOR_RULE, f"{WRITER}:{POLICY}")


class Found(Protocol):
    """A reward model's folder, and what it is called."""

    @property
    def folder(self) -> Path: ...

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Means:
    """What judges are made of.

    Attributes:
        find: the reward model of a name (the registry's aliases, rounds, folders, hub names).
        store: the image store of the rounds.
        items: the benchmark, read again at every call, for judges that learn from it.
        answers: where an endpoint's answers are kept.
        critiques: sampled for each answer by a reward model; None: as it was chosen.
    """

    find: Callable[[str], Found]
    store: Path
    items: Callable[[], Iterable[Item]]
    answers: Path
    base: str
    endpoint: Endpoint | None = None
    dtype: PrecisionOrAuto = "float32"
    device: str = "cpu"
    max_pixels: int | None = None
    voting: Voting = field(default_factory=Voting)
    critiques: int | None = None
    seed: int = 0


def choose(model: str, means: Means) -> Judge:
    """The judge of a name: one of :data:`NAMES`, ``round_N``, the folder or hub name of a reward model,
    ``classifier:FOLDER`` or ``judge:FOLDER`` (a model that writes).

    Raises:
        UserError: there is none of this name.
    """
    model = str(model)  # a command's 3 is a number
    if model in RULES:
        return trivial(model, means.seed)
    if model == TEXT_ONLY:
        from vlrm.evaluation.judges.text_only import TextOnly

        return TextOnly(map(_without_bytes, means.items()), means.seed)
    if model == DETECTOR_RULE:
        from vlrm.evaluation.judges.detector_rule import DetectorRule

        return DetectorRule()
    kind, colon, what = model.partition(":")
    if colon and kind in (CLASSIFIER, WRITER):
        if not what:
            raise UserError(f"model={model} names no model: write {kind}:FOLDER")
        return _classifier(what, means) if kind == CLASSIFIER else _writer(what, means)
    return _reward_model(model, means)


def _without_bytes(item: Item) -> Item:
    """The item with its image named by content: a judge that learns holds many items, and needs none of the bytes."""
    if not isinstance(item.image, bytes):
        return item
    return replace(item, image=hashlib.sha256(item.image).hexdigest())


def _classifier(base: str, means: Means) -> Judge:
    from vlrm.evaluation.judges.classifier import ClassifierJudge

    return ClassifierJudge(base, means.dtype, means.device, means.max_pixels)


def _writer(base: str, means: Means) -> Judge:
    from vlrm.evaluation.judges.pens import EndpointPen, LocalPen

    if base == POLICY and means.endpoint is not None:
        return GenerativeJudge(EndpointPen(means.endpoint, means.answers), means.voting, means.seed)
    folder = means.base if base == POLICY else base
    return GenerativeJudge(LocalPen(folder, means.dtype, means.device, means.max_pixels), means.voting, means.seed)


def _reward_model(model: str, means: Means) -> Judge:
    from vlrm.evaluation.judges.scalar import ScalarJudge

    try:
        found = means.find(model)
    except UserError as error:
        if model in REWARD_MODELS or "/" in model or Path(model).exists():
            raise
        close = difflib.get_close_matches(model, NAMES, 1)
        guess = f"; did you mean {close[0]}" if close else ""
        raise UserError(
            f"there is no model '{model}'{guess}: give {', '.join(NAMES)}, a reward model's folder, "
            f"{CLASSIFIER}:FOLDER or {WRITER}:FOLDER"
        ) from error
    return ScalarJudge(found.folder, found.name, means.store, means.critiques, means.seed, means.device)
