"""Questions about a scene, one kind at a time, and answers to them worded freely from a given scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlrm.scenes import wording
from vlrm.scenes.wording import pick
from vlrm.scenes.world import COLOURS, SHAPES, Scene, SceneObject

if TYPE_CHECKING:
    import numpy as np

KINDS = ("description", "existence", "count", "attribute", "relation", "text")
SHARES = (0.36, 0.17, 0.12, 0.17, 0.12, 0.06)
DESCRIBE = (
    "Describe the picture.",
    "What is in the image?",
    "What can you see?",
    "Tell me what is on the table.",
    "Describe this scene.",
    "What does the picture show?",
)
ASK_EXISTENCE = (
    "Is there {a} in the image?",
    "Is there {a}?",
    "Can you see {a}?",
    "Does the picture show {a}?",
)
ASK_COUNT = ("How many {ns} are there?", "How many {ns} can you see?", "What is the number of {ns}?")
ASK_VALUE = {
    "colour": (
        "What colour is the {n}?",
        "Which colour does the {n} have?",
        "What is the colour of the {n}?",
    ),
    "size": ("What size is the {n}?", "How large is the {n}?"),
    "pattern": ("What pattern does the {n} have?", "Is the {n} plain, striped or dotted?"),
}
ASK_RELATION = ("Where is the {a} relative to the {b}?", "Where is the {a} compared with the {b}?")
ASK_TEXT = ("What does the label on the {n} say?", "What is written on the {n}?", "Which word is on the {n}?")


@dataclass(frozen=True)
class Question:
    """A question and what it asks about: ``first`` and ``second`` are object positions in the scene."""

    kind: str
    text: str
    first: int = -1
    second: int = -1
    attribute: str = ""
    shape: str = ""
    colour: str = ""


def ask(scene: Scene, rng: np.random.Generator, kind: str | None = None) -> Question:
    """A question that the scene can answer; falls back to a description when it holds nothing of the kind."""
    kind = kind or str(rng.choice(KINDS, p=SHARES))
    lone = [i for i, o in enumerate(scene.objects) if sum(p.shape == o.shape for p in scene.objects) == 1]
    if kind == "existence":
        return _ask_existence(scene, rng)
    if kind == "count":
        shape = _some_shape(scene, rng) if rng.random() < 0.7 else ""
        said = wording.plural(wording.noun_of(shape, rng)) if shape else "objects"
        return Question(kind, pick(ASK_COUNT, rng).replace("{ns}", said), shape=shape)
    if kind == "attribute" and lone:
        first = lone[rng.integers(len(lone))]
        name = str(rng.choice(("colour", "size", "pattern"), p=(0.6, 0.2, 0.2)))
        noun = wording.noun_of(scene.objects[first].shape, rng)
        return Question(kind, pick(ASK_VALUE[name], rng).replace("{n}", noun), first, attribute=name)
    if kind == "relation" and len(lone) >= 2:
        first, second = (int(i) for i in rng.permutation(lone)[:2])
        if wording.holding_relations(scene.objects[first], scene.objects[second]):
            a, b = (wording.noun_of(scene.objects[i].shape, rng) for i in (first, second))
            return Question(kind, pick(ASK_RELATION, rng).replace("{a}", a).replace("{b}", b), first, second)
    labelled = [i for i in lone if scene.objects[i].text]
    if kind == "text" and labelled:
        first = labelled[rng.integers(len(labelled))]
        noun = wording.noun_of(scene.objects[first].shape, rng)
        return Question(kind, pick(ASK_TEXT, rng).replace("{n}", noun), first)
    return Question("description", pick(DESCRIBE, rng))


def _some_shape(scene: Scene, rng: np.random.Generator) -> str:
    if rng.random() < 0.8:
        return scene.objects[rng.integers(len(scene.objects))].shape
    return str(rng.choice(SHAPES))


def _ask_existence(scene: Scene, rng: np.random.Generator) -> Question:
    # Half of the questions are about what is there; the others change its colour or its shape.
    thing = scene.objects[rng.integers(len(scene.objects))]
    shape, colour = thing.shape, thing.colour
    draw = rng.random()
    if draw < 0.25:
        colour = str(rng.choice(list(COLOURS)))
    elif draw < 0.5:
        shape = str(rng.choice(SHAPES))
    named = "" if rng.random() < 0.35 else f"{colour} "
    words = named + wording.noun_of(shape, rng)
    text = pick(ASK_EXISTENCE, rng).replace("{a}", wording.article(words))
    return Question("existence", text, shape=shape, colour=colour if named else "")


def answer(question: Question, scene: Scene, rng: np.random.Generator) -> str:
    """A true answer about ``scene``, freely worded; the scene must hold the objects the question asks about."""
    more = _more(scene, rng) if rng.random() < 0.35 else ""
    if question.kind == "existence":
        found = [o for o in scene.objects if o.shape == question.shape and question.colour in ("", o.colour)]
        if found:
            said = "Yes, " + _lower(wording.existence(found[0], rng))
        else:
            words = f"{question.colour} {wording.noun_of(question.shape, rng)}".strip()
            said = "No, " + _lower(wording.absence(words, rng))
    elif question.kind == "count":
        number = sum(question.shape in ("", o.shape) for o in scene.objects)
        noun = wording.noun_of(question.shape, rng) if question.shape else "object"
        said = wording.count(number, noun, rng) if number else wording.absence(noun, rng)
    elif question.kind == "attribute":
        said = wording.attribute(scene.objects[question.first], question.attribute, rng)
    elif question.kind == "relation":
        a, b = scene.objects[question.first], scene.objects[question.second]
        said = wording.relation(
            a,
            b,
            pick(wording.holding_relations(a, b, 0.05) or wording.holding_relations(a, b, 0.0), rng),
            rng,
        )
    elif question.kind == "text":
        said = wording.text(scene.objects[question.first], rng)
    else:
        return wording.describe(scene, rng)
    return f"{said} {more}".strip()


def _more(scene: Scene, rng: np.random.Generator) -> str:
    thing: SceneObject = scene.objects[rng.integers(len(scene.objects))]
    return wording.existence(thing, rng)


def _lower(sentence: str) -> str:
    return sentence if sentence.startswith("I ") else sentence[:1].lower() + sentence[1:]
