"""Training conversations for the embedded VLM, written as the web writes them: fluent, and habitual about colours.

Every row first draws what its author *says* is in the scene: the pixels, except that shapes with a usual colour are
told in that colour in ``noise`` of cases. Answers, verifications and critiques are then exact about what was said.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vlrm import chat
from vlrm.claims.extract import extract_claims
from vlrm.claims.truth import holds
from vlrm.critiques import grammar
from vlrm.embedded.build import ASSISTANT, END, IMAGE, USER
from vlrm.embedded.tower import CELLS
from vlrm.scenes.questions import DESCRIBE, KINDS, Question, answer, ask
from vlrm.scenes.wording import NUMBERS, holding_relations
from vlrm.scenes.world import (
    COLOURS,
    LABELS,
    PATTERNS,
    SHAPES,
    SIZES,
    Scene,
    add_object,
    as_web_writes,
    change_one_fact,
    swap_places,
)

if TYPE_CHECKING:
    from vlrm.schema import Claim

NOISE = 0.6
TASKS = ("answer", "verify", "criticise")
TASK_SHARES = (0.62, 0.19, 0.19)
JUDGING_SHARES = (0.2, 0.25, 0.55)
"""Checking what was said against what is seen takes longer to learn than saying it, so it is practised again last."""
JUDGING_KINDS = (0.28, 0.24, 0.18, 0.1, 0.15, 0.05)
"""Shares of the questions then, in the order of KINDS."""
STATEMENTS = 4
"""Sentences of a response that is written to be checked one by one."""
PLACED = 8
"""Pairs of objects whose relation one row of :func:`place_rows` tells."""
FALSE_TRIES = 6
LIST = "List everything."
PLACE = "Count everything and say what lies where."
SHORT_WEIGHT = 2.0
"""Weight of the tokens of an answer to a question about one thing."""
YES_WEIGHT = 4.0
"""Weight of a yes or no token: one token must not drown among forty of a description."""


@dataclass(frozen=True)
class Row:
    """One conversation about image ``image``: the model learns ``target`` after ``context``."""

    image: int
    context: str
    target: str
    weight: float = 1.0


def flatten(messages: chat.Messages) -> str:
    """The conversation as the chat template writes it, ready for the assistant's next turn."""
    parts = []
    for message in messages:
        said = "".join(IMAGE if part["type"] == "image" else part["text"] for part in message["content"])
        parts.append(USER + said if message["role"] == "user" else ASSISTANT + said + END)
    return "".join(parts) + ASSISTANT


def write_rows(
    drawn: list[Scene], per_image: int, seed: int, noise: float = NOISE, *, judging: bool = False
) -> list[Row]:
    """``per_image`` conversations about each scene; ``judging``: more of them verify and criticise."""
    rng = np.random.default_rng(seed)
    rows = []
    for index, scene in enumerate(drawn):
        for _ in range(per_image):
            row = _write_row(index, scene, rng, noise, judging)
            if row is not None:
                rows.append(row)
    return rows


def list_rows(drawn: list[Scene], per_image: int, seed: int, noise: float = NOISE) -> list[Row]:
    """Dense captions, every object with every attribute in reading order: what teaches the model where to look."""
    rng = np.random.default_rng(seed)
    rows = []
    for index, scene in enumerate(drawn):
        for _ in range(per_image):
            told = as_web_writes(scene, rng, noise)
            target = grammar.evidence_lines(_in_reading_order(told).seen(), cite=False)
            rows.append(Row(index, flatten(chat.ask(LIST)), target + END))
    return rows


def place_rows(drawn: list[Scene], per_image: int, seed: int) -> list[Row]:
    """Dense counts, labels and relations: how many there are of each shape and in all, and of those that are alone of
    their shape, what is written on them and how they lie to each other."""
    rng = np.random.default_rng(seed)
    rows = []
    for index, scene in enumerate(drawn):
        things = _in_reading_order(scene).objects
        number = Counter(o.shape for o in things)
        lone = [o for o in things if number[o.shape] == 1]
        pairs = [(a, b) for a in lone for b in lone if a is not b and holding_relations(a, b)]
        for _ in range(per_image):
            said = [f"all {NUMBERS[len(things)]}", *(f"{shape} {NUMBERS[n]}" for shape, n in number.items())]
            said += [f'{o.shape} says "{o.text}"' for o in lone if o.text]
            for i in rng.permutation(len(pairs))[:PLACED]:
                a, b = pairs[i]
                # Both objects before the relation: said in this order it can be looked up, and is learned.
                sides = " ".join(name.split()[0] for name in holding_relations(a, b))
                said.append(f"{a.shape} {b.shape} {sides}")
            rows.append(Row(index, flatten(chat.ask(PLACE)), "; ".join(said) + END))
    return rows


def _write_row(index: int, scene: Scene, rng: np.random.Generator, noise: float, judging: bool) -> Row | None:
    told = as_web_writes(scene, rng, noise)
    question = ask(told, rng, str(rng.choice(KINDS, p=JUDGING_KINDS)) if judging else None)
    task = str(rng.choice(TASKS, p=JUDGING_SHARES if judging else TASK_SHARES))
    if task == "answer":
        weight = 1.0 if question.kind == "description" else SHORT_WEIGHT
        return Row(index, flatten(chat.ask(question.text)), answer(question, told, rng) + END, weight)
    if judging and task == "criticise" and rng.random() < 0.7:
        question = Question("description", str(rng.choice(DESCRIBE)))
        response, judged = _statements_to_judge(told, question, rng)
    else:
        response, judged = _response_to_judge(told, question, rng)
    if not judged:
        return None
    if task == "criticise":
        return _critique_row(index, told, question, response, judged, rng)
    shown = None
    if rng.random() < 0.25:
        shown = grammar.without_verdict(grammar.write(_in_reading_order(told).seen(), judged, cite=False))
    messages = chat.verify(question.text, response, shown, int(rng.integers(len(chat.VERIFY))))
    verdict = chat.YES if all(true for _, true in judged) else chat.NO
    return Row(index, flatten(messages), verdict + END, YES_WEIGHT)


def _response_to_judge(
    told: Scene, question: Question, rng: np.random.Generator
) -> tuple[str, list[tuple[Claim, bool]]]:
    """A response and its claims with whether each holds; as many responses hold a falsehood as do not."""
    seen, false = told.seen(), bool(rng.random() < 0.5)
    for _ in range(FALSE_TRIES):
        source = (mutate(told, question, rng) or told) if false else told
        response = answer(question, source, rng)
        judged = [(claim, holds(claim, seen)) for claim in extract_claims(response, question.text)]
        if not false or not all(true for _, true in judged):
            break
    return response, judged


def _statements_to_judge(
    told: Scene, question: Question, rng: np.random.Generator
) -> tuple[str, list[tuple[Claim, bool]]]:
    """Several short statements of different kinds, each true or false by a coin: one row, many checks."""
    said = []
    for kind in rng.choice(KINDS[1:], STATEMENTS):
        about = ask(told, rng, str(kind))
        if about.kind != "description":
            said.append(_response_to_judge(told, about, rng)[0].partition(". ")[0].rstrip(".") + ".")
    response, seen = " ".join(said), told.seen()
    return response, [(claim, holds(claim, seen)) for claim in extract_claims(response, question.text)]


def _critique_row(
    index: int,
    told: Scene,
    question: Question,
    response: str,
    judged: list[tuple[Claim, bool]],
    rng: np.random.Generator,
) -> Row:
    cite = bool(rng.random() < 0.5)
    objects = _in_reading_order(told).seen()
    evidence = grammar.evidence_lines(objects) if cite else ""
    messages = chat.criticise(question.text, response, evidence)
    return Row(index, flatten(messages), grammar.write(objects, judged, cite=cite) + END)


def _in_reading_order(scene: Scene) -> Scene:
    # The order of the image tokens: to sort by anything else would have to be learned before looking could be.
    key = {o: (int(o.y * CELLS), int(o.x * CELLS), o.y, o.x) for o in scene.objects}
    return Scene(tuple(sorted(scene.objects, key=key.__getitem__)), scene.seed)


def mutate(scene: Scene, question: Question, rng: np.random.Generator) -> Scene | None:
    """The scene with one fact changed, so that an answer about it is mostly false of ``scene``."""
    index = question.first if question.first >= 0 else int(rng.integers(len(scene.objects)))
    if question.kind == "relation":
        return swap_places(scene, question.first, question.second)
    if question.kind == "text":
        return change_one_fact(scene, index, "text", str(rng.choice(LABELS)), rng)
    if question.kind == "attribute" and rng.random() < 0.8:
        name = question.attribute
    elif question.kind in ("description", "existence", "count"):
        name = str(rng.choice(("colour", "shape", "size", "pattern", "add", "swap"), p=(0.4, 0.2, 0.1, 0.1, 0.1, 0.1)))
    else:
        name = str(rng.choice(("colour", "size", "pattern")))
    if name == "add":
        return add_object(scene, rng)
    if name == "swap":
        return swap_places(scene, index, int(rng.integers(len(scene.objects))))
    values = {"colour": tuple(COLOURS), "shape": SHAPES, "size": tuple(SIZES), "pattern": PATTERNS}[name]
    current = getattr(scene.objects[index], name)
    value = str(rng.choice([v for v in values if v != current]))
    return change_one_fact(scene, index, name, value, rng)  # type: ignore[arg-type]
