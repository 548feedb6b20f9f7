"""Build the exam: pairs whose order is known from exact truth, quads, and groups of paraphrases."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from vlrm.claims.counterfactual import KINDS, Balance, Edit, propose
from vlrm.claims.vocabulary import EMBEDDED, Vocabulary
from vlrm.evaluation.balance import balanced_choice
from vlrm.evaluation.judged import Judged, differing_kinds, judge, length_ratio, pair_kind, pair_part
from vlrm.evaluation.outcomes import frame_of
from vlrm.evaluation.paraphrase import paraphrase
from vlrm.evaluation.quads import changed_scenes
from vlrm.scenes.world import USUAL, Scene
from vlrm.schema import EXAM

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)
Store = Callable[[Scene], tuple[str, str]]
"""Renders and stores a scene's image; returns its path under the image store and its sha256."""
LENGTHS = (0.8, 1.25)
WORDINGS = 3
HABIT_TRIES = 8


class ExamSizes(BaseModel):
    """How many pairs to ask for: organic and (single) edited pairs, quads of two pairs, groups of three
    wordings; and from how many ``candidates`` of a prompt, whatever number the rounds draw: with more of them the exam
    is a harder one, and loops that sit different exams cannot be compared."""

    model_config = ConfigDict(extra="forbid")

    candidates: int = Field(4, ge=2)
    organic: int = Field(200, ge=0)
    edited: int = Field(100, ge=0)
    quads: int = Field(100, ge=0)
    groups: int = Field(60, ge=0)


@dataclass(frozen=True)
class _Asked:
    """A prompt with its scene and the distinct responses sampled for it, judged."""

    row: dict[str, Any]
    scene: Scene
    said: tuple[Judged, ...]


def build_exam(
    prompts: pa.Table,
    scenes: Mapping[str, Scene],
    responses: pa.Table,
    split: str,
    rng: np.random.Generator,
    sizes: ExamSizes,
    store: Store,
) -> tuple[pa.Table, list[tuple[str, Scene]]]:
    """The EXAM table of ``split`` and the re-rendered scenes it needed, as (sha256, scene).

    ``prompts``, ``responses``: PROMPTS and RESPONSES of this split; only responses with source ``sampled``
    are used. ``scenes``: exact truth by image hash. Fewer items than asked for are made, and a warning says
    so, when the responses do not hold as many.
    """
    asked = list(_judged(prompts, scenes, responses))
    organic = _organic(asked, rng, sizes.organic)
    edited, fresh = _edited(asked, rng, sizes, store)
    items: list[dict[str, Any]] = []
    for number, item in enumerate(organic + edited):
        items.append(item | {"item_id": f"{split}-{number:05d}", "split": split})
    rows = items + paraphrase_groups(items, rng, sizes.groups)
    made = Counter("quads" if row["quad_id"] else row["source"] for row in items)
    made["quads"] //= 2
    for name in ("organic", "edited", "quads"):
        if made[name] < getattr(sizes, name):
            log.warning(
                "The %s exam holds %d %s items of the %d asked for: give it more prompts or candidates",
                split, made[name], name, getattr(sizes, name),
            )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=EXAM), fresh


def _judged(prompts: pa.Table, scenes: Mapping[str, Scene], responses: pa.Table) -> Iterator[_Asked]:
    texts: dict[str, list[str]] = {}
    for row in responses.select(["prompt_id", "text", "source"]).to_pylist():
        if row["source"] == "sampled":
            texts.setdefault(row["prompt_id"], []).append(row["text"])
    for row in prompts.to_pylist():
        scene = scenes.get(row["image_sha256"])
        if scene is None:
            continue
        objects = scene.seen()
        said = (judge(text, row["question"], objects) for text in dict.fromkeys(texts.get(row["prompt_id"], [])))
        yield _Asked(row, scene, tuple(j for j in said if j.claims))


def _item(asked: _Asked, chosen: Judged, rejected: Judged, source: str, **more: Any) -> dict[str, Any]:
    row = asked.row
    return {
        "part": pair_part(chosen, rejected, asked.scene, row["part"]),
        "source": source,
        "kind": pair_kind(chosen, rejected),
        "image": row["image"],
        "image_sha256": row["image_sha256"],
        "question": row["question"],
        "chosen": chosen.text,
        "rejected": rejected.text,
        "quad_id": None,
        "group_id": None,
        "differing_kinds": differing_kinds(chosen, rejected),
        "experts_right": None,
    } | more


def _organic(asked: list[_Asked], rng: np.random.Generator, wanted: int) -> list[dict[str, Any]]:
    """Pairs of sampled responses with different numbers of false claims, at most two of one prompt."""
    near: list[dict[str, Any]] = []
    far: list[dict[str, Any]] = []
    for one in asked:
        for a, b in combinations(one.said, 2):
            if a.false_count == b.false_count:
                continue
            chosen, rejected = (a, b) if a.false_count < b.false_count else (b, a)
            inside = LENGTHS[0] <= length_ratio(chosen, rejected) <= LENGTHS[1]
            (near if inside else far).append(_item(one, chosen, rejected, "organic") | {"_of": one.row["prompt_id"]})
    taken = balanced_choice(near, wanted, rng)
    taken += balanced_choice(far, wanted - len(taken), rng, taken)
    return [{name: value for name, value in item.items() if name != "_of"} for item in taken]


def _edited(
    asked: list[_Asked], rng: np.random.Generator, sizes: ExamSizes, store: Store
) -> tuple[list[dict[str, Any]], list[tuple[str, Scene]]]:
    """Edits of fully true responses, each used once: quads and single pairs in turn, as many as asked for."""
    items: list[dict[str, Any]] = []
    fresh: dict[str, Scene] = {}
    balance: Balance = Counter()
    kinds: Counter[str] = Counter()
    quads = singles = 0
    for one, true in _true_responses(asked, rng):
        if quads >= sizes.quads and singles >= sizes.edited:
            break
        # The rarest kind so far first: edits of colours would otherwise crowd out the rest.
        order = sorted((KINDS[i] for i in rng.permutation(len(KINDS))), key=lambda kind: kinds[kind])
        made = None
        # In proportion, so that neither takes all the responses when there are too few.
        if quads < sizes.quads and quads * sizes.edited <= singles * sizes.quads:
            found = chain(_of_habit(one, true, rng), chain.from_iterable(_edits(one, true, k, rng) for k in order))
            made = next(filter(None, (_quad(one, true, edit, rng, store) for edit in found)), None)
        if made is not None:
            name = f"{one.row['prompt_id']}-{quads:04d}"
            items += [item | {"quad_id": name} for item in made.items]
            fresh[made.sha] = made.scene
            quads += 1
            kinds[made.kind] += 1
        elif singles < sizes.edited:
            found = chain.from_iterable(_edits(one, true, k, rng, balance) for k in order)
            edit = next(found, None)
            if edit is not None:
                false = judge(edit.text, one.row["question"], one.scene.seen())
                items.append(_item(one, true, false, "edited", kind=_claim_kind(edit)))
                singles += 1
                kinds[edit.kind] += 1
    return items, list(fresh.items())


def _edits(
    one: _Asked, true: Judged, kind: str, rng: np.random.Generator, balance: Balance | None = None
) -> list[Edit]:
    """At most one edit of this kind; ``balance`` is updated by it.

    Quads need none: they say each value once as chosen and once as rejected.
    """
    return propose(
        true.text,
        list(true.claims),
        [1.0] * len(true.claims),
        one.scene.seen(),
        rng,
        kinds=(kind,),
        question=one.row["question"],
        balance=Counter() if balance is None else balance,
        limit=1,
    )


def _of_habit(one: _Asked, true: Judged, rng: np.random.Generator) -> Iterator[Edit]:
    """For prompts of the prior's parts: edits between a shape's usual colour and another one.

    As a quad, each gives one prior-conforming and one prior-breaking pair with the same two answers.
    """
    if one.row["part"] not in ("prior_breaking", "prior_conforming"):
        return
    for _ in range(HABIT_TRIES):
        for edit in _edits(one, true, "attribute", rng):
            usual = USUAL.get(edit.before.subject.noun or "")
            if edit.attribute == "colour" and usual in (edit.before.value, edit.new_value):
                yield edit


def _claim_kind(edit: Edit) -> str:
    """The kind of claim an edit makes false: another noun ("object") falsifies an existence."""
    return "existence" if edit.kind == "object" else edit.kind


@dataclass(frozen=True)
class _Quad:
    items: tuple[dict[str, Any], dict[str, Any]]
    sha: str
    scene: Scene
    kind: str


def _quad(one: _Asked, true: Judged, edit: Edit, rng: np.random.Generator, store: Store) -> _Quad | None:
    """A quad from an edit; None when no change of one fact turns the pair round."""
    question = one.row["question"]
    false = judge(edit.text, question, one.scene.seen())
    for scene in changed_scenes(one.scene, edit, rng):
        objects = scene.seen()
        now_true, now_false = judge(edit.text, question, objects), judge(true.text, question, objects)
        if now_true.false_count == 0 and now_false.false_count > 0:
            path, sha = store(scene)
            there = _Asked(one.row | {"image": path, "image_sha256": sha}, scene, ())
            here = _item(one, true, false, "edited", kind=_claim_kind(edit))
            back = _item(there, now_true, now_false, "edited", kind=_claim_kind(edit))
            return _Quad((here, back), sha, scene, edit.kind)
    return None


def _true_responses(asked: list[_Asked], rng: np.random.Generator) -> Iterator[tuple[_Asked, Judged]]:
    """Fully true responses in random order, one of each prompt before a second of any."""
    found = []
    for one in asked:
        true = [j for j in one.said if j.false_count == 0]
        found += [(place, float(rng.random()), one, true[i]) for place, i in enumerate(rng.permutation(len(true)))]
    for _, _, one, said in sorted(found, key=lambda entry: entry[:2]):
        yield one, said


def paraphrase_groups(
    items: list[dict[str, Any]], rng: np.random.Generator, wanted: int, vocabulary: Vocabulary = EMBEDDED
) -> list[dict[str, Any]]:
    """Two more wordings of ``wanted`` items, drawn alike from organic, edited and quads; marks the first
    wording.

    A group's id is the item id of its first wording, which is how accuracies tell it from the paraphrases.
    """
    strata: dict[str, list[dict[str, Any]]] = {}
    for index in rng.permutation(len(items)):
        item = items[index]
        strata.setdefault("quads" if item["quad_id"] else item["source"], []).append(item)
    rows: list[dict[str, Any]] = []
    made = 0
    while made < wanted and any(strata.values()):
        for waiting in strata.values():
            while waiting and made < wanted:
                item = waiting.pop()
                known: list[tuple[str, str, str]] = []
                for _ in range(WORDINGS - 1):
                    fresh = paraphrase(item["question"], item["chosen"], item["rejected"], rng, known, vocabulary)
                    if fresh is not None:
                        known.append(fresh)
                if len(known) == WORDINGS - 1:
                    item["group_id"] = item["item_id"]
                    rows += [_wording(item, number, fresh) for number, fresh in enumerate(known, start=1)]
                    made += 1
                    break
    return rows


def _wording(item: dict[str, Any], number: int, texts: tuple[str, str, str]) -> dict[str, Any]:
    # A paraphrase is no second pair of the quad, so it carries no quad id.
    named = dict(zip(("question", "chosen", "rejected"), texts, strict=True))
    return item | named | {"item_id": f"{item['item_id']}/p{number}", "quad_id": None}


def original_items(exam: pa.Table) -> pa.Table:
    """The exam without paraphrases: the pairs that accuracies are about."""
    frame = frame_of(exam)
    kept = frame.filter(pl.col("group_id").is_null() | (pl.col("group_id") == pl.col("item_id")))
    return kept.to_arrow().cast(EXAM)
