"""Edits candidates into counterfactuals, and finds for each another image on which the edited answer is true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from vlrm.claims.counterfactual import Edit, propose
from vlrm.claims.extract import extract_claims
from vlrm.claims.shorten import one_sentence
from vlrm.claims.vocabulary import EMBEDDED, Vocabulary
from vlrm.images import other_image
from vlrm.progress import track
from vlrm.scenes.redraw import redraw
from vlrm.scenes.world import Scene
from vlrm.schema import PROMPTS, RESPONSES, SCENES, Claim, SeenObject, claim_from_json

if TYPE_CHECKING:
    from vlrm.claims.reliability import Reliability

LIKELY = 0.5
Store = Callable[[Scene], tuple[str, str]]


class CounterfactualSettings(BaseModel):
    """``per_prompt`` edits are made of each prompt's candidates; ``tried_images`` others are searched for a quad."""

    model_config = ConfigDict(extra="forbid")

    per_prompt: int = Field(2, ge=0)
    sure: float = Field(0.9, ge=0.5, le=1)
    """A response is edited only when none of its claims is false with this probability (the claim that is edited holds
    with .8 or more), and an image found for a quad settles both answers with it."""
    tried_images: int = Field(40, ge=0)
    kinds: tuple[str, ...] | None = None
    traced: float = Field(0.0, ge=0)
    """How much an object is preferred of which there is a trace too faint to hold it for present, beside balance (at
    most 9) and chance (.7 times a Gumbel draw)."""


@dataclass
class Edits:
    """Counterfactual and quad responses, and the quads' prompts (with the truth of re-drawn scenes)."""

    responses: list[dict[str, Any]] = field(default_factory=list)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    scenes: list[dict[str, Any]] = field(default_factory=list)

    def tables(self) -> tuple[pa.Table, pa.Table, pa.Table]:
        """RESPONSES, PROMPTS and SCENES."""
        return (
            pa.Table.from_pylist(self.responses, RESPONSES),
            pa.Table.from_pylist(self.prompts, PROMPTS),
            pa.Table.from_pylist(self.scenes, SCENES),
        )


def edit_candidates(
    candidates: pa.Table,
    claims: pa.Table,
    prompts: pa.Table,
    objects: Mapping[str, Sequence[SeenObject]],
    reliability: Reliability,
    settings: CounterfactualSettings,
    seed: int,
    scenes: Mapping[str, Scene],
    store: Store,
    vocabulary: Vocabulary = EMBEDDED,
) -> Edits:
    """For every prompt up to ``per_prompt`` edits of its candidates, each with a quad where one can be made or found.

    A quad's image is the scene re-drawn with the edited fact true (``scenes`` has its exact truth), or else another
    image of the round whose evidence says that the edit holds there, as all else in the response may, and the original
    does not. Where none bears out a whole description, both answers are shortened to the sentence that was edited.
    """
    asked = {row["prompt_id"]: row for row in prompts.to_pylist()}
    claimed = _claims_by_response(claims)
    by_prompt: dict[str, list[dict[str, Any]]] = {}
    for row in candidates.to_pylist():
        by_prompt.setdefault(row["prompt_id"], []).append(row)
    rng = np.random.default_rng(seed)
    balance: Counter[Any] = Counter()
    edits, number = Edits(), 0
    others = Others(prompts, objects, reliability, settings, vocabulary)
    for prompt_id, responses in track(by_prompt.items(), "prompt edited", len(by_prompt)):
        prompt = asked[prompt_id]
        image = prompt["image_sha256"]
        edited = _choose(
            responses,
            claimed,
            objects.get(image, ()),
            prompt["question"],
            reliability,
            settings,
            rng,
            balance,
            vocabulary,
        )
        for response, edit in edited:
            identity = f"{response['response_id']}-e{number}"
            number += 1
            parent, made = response, edit
            other = _redrawn(edit, scenes.get(image), rng, store)
            if other is None and image not in scenes:
                other = others.find(edit, prompt, rng)
                short = _shortened(response, edit, prompt, identity, vocabulary) if other is None else None
                if short and (other := others.find(short[1], prompt, rng)):
                    parent, made = short
                    edits.responses.append(parent)
            common = {"edit_kind": edit.kind, "quad_id": identity, "sample": response["sample"]}
            edits.responses.append(
                {"response_id": identity, "prompt_id": prompt_id, "image_sha256": image, "text": made.text,
                 "source": "counterfactual", "parent_id": parent["response_id"], **common}
            )  # fmt: skip
            if other is not None:
                _add_quad(edits, prompt, parent, made, identity, other, common)
    return edits


def _shortened(
    response: dict[str, Any], edit: Edit, prompt: dict[str, Any], identity: str, vocabulary: Vocabulary
) -> tuple[dict[str, Any], Edit] | None:
    """The response and its edit as one sentence each; only of descriptions, of which a sentence is one too."""
    whole = prompt["kind"] == "description"
    short = one_sentence(response["text"], edit, prompt["question"], vocabulary) if whole else None
    if short is None:
        return None
    names = {"response_id": f"{identity}-s", "source": "shortened", "parent_id": response["response_id"]}
    return response | names | {"text": short[0]}, short[1]


def _claims_by_response(claims: pa.Table) -> dict[str, list[tuple[Claim, float]]]:
    found: dict[str, list[tuple[Claim, float]]] = {}
    for row in claims.to_pylist():
        found.setdefault(row["response_id"], []).append((claim_from_json(row["claim"]), row["probability"]))
    return found


def _choose(
    responses: Sequence[dict[str, Any]], claimed: Mapping[str, list[tuple[Claim, float]]],
    objects: Sequence[SeenObject], question: str, reliability: Reliability, settings: CounterfactualSettings,
    rng: np.random.Generator, balance: Counter[Any], vocabulary: Vocabulary,
) -> list[tuple[dict[str, Any], Edit]]:  # fmt: skip
    """Edits of different kinds first, from the candidates that hold best."""
    ranked = sorted(
        (row for row in responses if row["response_id"] in claimed),
        key=lambda row: sum(1 - p for _, p in claimed[row["response_id"]]),
    )
    chosen: list[tuple[dict[str, Any], Edit]] = []
    texts: set[str] = set()
    for response in ranked:
        pairs = claimed[response["response_id"]]
        if response["text"] in texts or min(p for _, p in pairs) < 1 - settings.sure:
            continue
        texts.add(response["text"])
        proposed = propose(
            response["text"], [c for c, _ in pairs], [p for _, p in pairs], list(objects), rng,
            vocabulary, kinds=settings.kinds, question=question, balance=balance, reliability=reliability,
            traced=settings.traced,
        )  # fmt: skip
        order = rng.permutation(len(proposed))
        used = {edit.kind for _, edit in chosen}
        fresh = [proposed[i] for i in order if proposed[i].kind not in used] or [proposed[i] for i in order]
        if fresh:
            chosen.append((response, fresh[0]))
        if len(chosen) >= settings.per_prompt:
            break
    return chosen[: settings.per_prompt]


def _redrawn(
    edit: Edit, scene: Scene | None, rng: np.random.Generator, store: Store
) -> tuple[str, str, Scene | None] | None:
    changed = redraw(scene, edit.before, edit.after, rng) if scene is not None else None
    return (*store(changed), changed) if changed is not None else None


class Others:
    """The images of a round, to be searched for one on which an edited answer is true."""

    def __init__(
        self, prompts: pa.Table, objects: Mapping[str, Sequence[SeenObject]], reliability: Reliability,
        settings: CounterfactualSettings, vocabulary: Vocabulary,
    ) -> None:  # fmt: skip
        shown = zip(prompts["image_sha256"].to_pylist(), prompts["image"].to_pylist(), strict=True)
        self.paths = dict(shown)
        self.names = sorted(self.paths)
        self.objects, self.reliability, self.settings, self.vocabulary = objects, reliability, settings, vocabulary

    def find(
        self, edit: Edit, prompt: dict[str, Any], rng: np.random.Generator
    ) -> tuple[str, str, Scene | None] | None:
        """Path and hash of the first image, of ``tried_images`` drawn ones, that bears the edit out."""
        text, question = edit.text, prompt["question"]
        others = [c for c in extract_claims(text, question, self.vocabulary) if c.key() != edit.after.key()]
        for name in self._drawn(prompt["image_sha256"], rng):
            seen = list(self.objects.get(name, ()))
            if (
                self._probability(edit.after, seen) >= self.settings.sure
                and self._probability(edit.before, seen) <= 1 - self.settings.sure
                # A response that is mostly about something else would be refused there, and the whole quad with it.
                and all(self._probability(claim, seen) >= LIKELY for claim in others)
            ):
                return self.paths[name], name, None
        return None

    def _drawn(self, own: str, rng: np.random.Generator) -> Iterator[str]:
        others = len(self.names) - (own in self.paths)
        for number in rng.permutation(others)[: self.settings.tried_images]:
            if (name := other_image(self.names, own, int(number))) is not None:
                yield name

    def _probability(self, claim: Claim, seen: Sequence[SeenObject]) -> float:
        return self.reliability.verify(claim, seen).probability


def _add_quad(
    edits: Edits, prompt: dict[str, Any], response: dict[str, Any], edit: Edit, identity: str,
    other: tuple[str, str, Scene | None], common: dict[str, Any],
) -> None:  # fmt: skip
    path, sha, scene = other
    prompt_id = f"{identity}-q"
    edits.prompts.append(prompt | {"prompt_id": prompt_id, "image": path, "image_sha256": sha})
    if scene is not None:
        edits.scenes.append({"image_sha256": sha, "scene": scene.to_json()})
    for name, text, parent in (("a", edit.text, identity), ("b", response["text"], response["response_id"])):
        edits.responses.append(
            {"response_id": f"{prompt_id}{name}", "prompt_id": prompt_id, "image_sha256": sha, "text": text,
             "source": "quad", "parent_id": parent, **common}
        )  # fmt: skip
