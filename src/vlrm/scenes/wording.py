"""How people word what is on the table: many ways to say each kind of claim, with hedges and extra sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from vlrm.scenes.world import Scene, SceneObject

NOUNS: dict[str, tuple[str, ...]] = {
    "ball": ("ball", "ball", "sphere"),
    "box": ("box", "box", "cube"),
    "cone": ("cone", "cone", "pyramid"),
    "star": ("star",),
    "heart": ("heart",),
    "ring": ("ring", "ring", "hoop"),
    "cross": ("cross",),
    "moon": ("moon", "moon", "crescent"),
}
SIZE_WORDS = {
    "small": ("small", "small", "little", "tiny"),
    "medium": ("medium-sized", "medium"),
    "large": ("large", "big"),
}
PATTERN_WORDS = {"striped": ("striped", "stripy"), "dotted": ("dotted", "spotted")}
NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
EXISTENCE = (
    "There is {a}.",
    "I can see {a}.",
    "{A} is on the table.",
    "The picture shows {a}.",
    "You can spot {a}.",
    "{A} can be seen.",
    "It looks like there is {a}.",
    "I think there is {a}.",
    "Here is {a}.",
    "The image contains {a}.",
    "I notice {a}.",
    "{A} lies on the table.",
)
ABSENCE = (
    "There is no {n}.",
    "I do not see any {n}.",
    "There is not any {n}.",
    "I cannot see a {n}.",
    "No {n} is on the table.",
    "The picture does not show any {n}.",
    "It seems there is no {n}.",
    "I see no {n}.",
    "There are no {ns}.",
)
ATTRIBUTE = (
    "The {n} is {v}.",
    "It is a {v} {n}.",
    "The {n} looks {v}.",
    "The {n} appears to be {v}.",
    "The {n} seems {v}.",
    "I would say the {n} is {v}.",
    "I think the {n} is {v}.",
    "The {n} here is {v}.",
    "It looks like a {v} {n}.",
)
COUNT = (
    "There {are} {c} {ns}.",
    "I count {c} {ns}.",
    "I can see {c} {ns}.",
    "The picture shows {c} {ns}.",
    "{C} {ns} {are} on the table.",
    "You can see {c} {ns}.",
    "{C} {ns} can be seen.",
    "I think there {are} {c} {ns}.",
)
RELATION = (
    "The {a} is {r} the {b}.",
    "The {a} sits {r} the {b}.",
    "The {a} lies {r} the {b}.",
    "The {a} can be seen {r} the {b}.",
    "You can find the {a} {r} the {b}.",
    "The {a} seems to be {r} the {b}.",
    "I think the {a} is {r} the {b}.",
    "The {a} stands {r} the {b}.",
)
RELATION_WORDS = {
    "left of": ("to the left of", "left of", "on the left side of"),
    "right of": ("to the right of", "right of", "on the right side of"),
    "above": ("above", "over"),
    "below": ("below", "under", "beneath"),
}
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
TEXT = (
    'The {n} is labelled "{t}".',
    'The label on the {n} says "{t}".',
    'The {n} reads "{t}".',
    'The {n} says "{t}".',
    'There is a tag saying "{t}" on the {n}.',
    'The {n} has the word "{t}" on it.',
    'The tag on the {n} reads "{t}".',
    'I think the label on the {n} says "{t}".',
)


def pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def plural(noun: str) -> str:
    return noun + ("es" if noun.endswith(("s", "x")) else "s")


def noun_of(shape: str, rng: np.random.Generator) -> str:
    return pick(NOUNS[shape], rng)


def phrase(
    thing: SceneObject,
    rng: np.random.Generator,
    colour: float = 0.85,
    size: float = 0.4,
    pattern: float = 0.5,
) -> str:
    """A noun phrase; the numbers are the chances that colour, size and a striped or dotted pattern are said."""
    words = []
    if rng.random() < size:
        words.append(pick(SIZE_WORDS[thing.size], rng))
    if thing.pattern != "plain" and rng.random() < pattern:
        words.append(pick(PATTERN_WORDS[thing.pattern], rng))
    if rng.random() < colour:
        words.append(thing.colour)
    return " ".join([*words, noun_of(thing.shape, rng)])


def existence(thing: SceneObject, rng: np.random.Generator) -> str:
    words = phrase(thing, rng)
    return _fill(pick(EXISTENCE, rng), a=article(words))


def listing(things: Sequence[SceneObject], rng: np.random.Generator) -> str:
    """One sentence that names several objects."""
    said = [article(phrase(thing, rng, size=0.3)) for thing in things]
    joined = said[0] if len(said) == 1 else ", ".join(said[:-1]) + " and " + said[-1]
    return _fill(pick(EXISTENCE[:5] + EXISTENCE[7:11], rng).replace("{A} is", "{A} are"), a=joined)


def absence(words: str, rng: np.random.Generator) -> str:
    head, _, noun = words.rpartition(" ")
    return _fill(pick(ABSENCE, rng), n=words, ns=f"{head} {plural(noun)}".strip())


def attribute(thing: SceneObject, name: str, rng: np.random.Generator) -> str:
    value = attribute_word(thing, name, rng)
    text = _fill(pick(ATTRIBUTE, rng), n=noun_of(thing.shape, rng), v=value)
    return text.replace(" a orange", " an orange")


def attribute_word(thing: SceneObject, name: str, rng: np.random.Generator) -> str:
    if name == "colour":
        return thing.colour
    if name == "size":
        return pick(SIZE_WORDS[thing.size], rng)
    return thing.pattern if thing.pattern == "plain" else pick(PATTERN_WORDS[thing.pattern], rng)


def count(number: int, words: str, rng: np.random.Generator) -> str:
    head, _, noun = words.rpartition(" ")
    named = noun if number == 1 else plural(noun)
    template = pick(COUNT, rng)
    return _fill(template, c=NUMBERS[number], ns=f"{head} {named}".strip(), are="is" if number == 1 else "are")


def relation(a: SceneObject, b: SceneObject, name: str, rng: np.random.Generator) -> str:
    said = pick(RELATION_WORDS[name], rng)
    first, second = (phrase(o, rng, colour=0.4, size=0.1, pattern=0.1) for o in (a, b))
    return _fill(pick(RELATION, rng), a=first, b=second, r=said)


def text(thing: SceneObject, rng: np.random.Generator) -> str:
    return _fill(pick(TEXT, rng), n=noun_of(thing.shape, rng), t=thing.text or "")


def holding_relations(a: SceneObject, b: SceneObject, clear: float = 0.08) -> list[str]:
    """Relations of ``a`` to ``b`` that hold by at least ``clear`` of the image side."""
    found = []
    if abs(a.x - b.x) >= clear:
        found.append("left of" if a.x < b.x else "right of")
    if abs(a.y - b.y) >= clear:
        found.append("above" if a.y < b.y else "below")
    return found


def describe(scene: Scene, rng: np.random.Generator, mentioned: int = 3) -> str:
    """Two to four free sentences: up to ``mentioned`` objects, then a count, a relation, a label or none of them."""
    # People who look around tell things in the order in which they look.
    order = sorted(rng.permutation(len(scene.objects))[:mentioned], key=lambda i: _place(scene.objects[i]))
    things = [scene.objects[i] for i in order]
    sentences: list[str] = []
    if len(things) > 1 and rng.random() < 0.6:
        sentences.append(listing(things, rng))
    else:
        sentences.extend(existence(thing, rng) for thing in things)
    extras: list[str] = []
    labelled = [o for o in scene.objects if o.text and _only(scene, o)]
    if labelled and rng.random() < 0.5:
        extras.append(text(labelled[rng.integers(len(labelled))], rng))
    if rng.random() < 0.3:
        extras.append(count(len(scene.objects), "object", rng))
    lone = [o for o in things if _only(scene, o)]
    if len(lone) >= 2 and rng.random() < 0.5:
        names = holding_relations(lone[0], lone[1])
        if names:
            extras.append(relation(lone[0], lone[1], pick(names, rng), rng))
    rng.shuffle(extras)
    return " ".join(sentences + extras[: max(1, 4 - len(sentences))])


def _place(thing: SceneObject) -> tuple[int, float]:
    return int(thing.y * 8), thing.x


def _only(scene: Scene, thing: SceneObject) -> bool:
    return sum(o.shape == thing.shape for o in scene.objects) == 1


def _fill(template: str, **words: str) -> str:
    for key, value in words.items():
        template = template.replace("{" + key + "}", value)
        template = template.replace("{" + key.upper() + "}", value[:1].upper() + value[1:])
    return template
