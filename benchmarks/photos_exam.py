"""What the photos benchmark asks: pairs of human captions and counterfactuals, POPE's questions, and best-of-N.

Truth is human: COCO's boxes, and for what is there also the captions. Nothing of it is seen by a run.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vlrm.claims.corpus_edits import Counterfactual, matched_counterfactuals
from vlrm.claims.english import PHOTOS
from vlrm.claims.naming import objects_named
from vlrm.evaluation.benchmarks.building import pair
from vlrm.evaluation.benchmarks.coco_pope import objects_by_image, questions
from vlrm.evaluation.human_boxes import count_by_boxes, named_by_boxes
from vlrm.experts.coco import read_truth
from vlrm.images import relative_path
from vlrm.rejection_sampling.checks import checks
from vlrm.schema import PROMPTS, USER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.rejection_sampling.rule import Rule
    from vlrm.schema import SeenObject

FOLDS = 4
KINDS = ("object", "count")
"""Of edits: what boxes can judge."""
EACH = 2
"""Counterfactuals of a caption's claim at most."""
TAUS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99)
ADVERSARIAL = "adversarial"


@dataclass(frozen=True)
class Photos:
    """The photos of a folder by file name; ``there``: objects that people boxed or named."""

    folder: Path
    sha: dict[str, str]
    boxes: dict[str, list[SeenObject]]
    there: dict[str, set[str]]
    captions: list[tuple[str, str]]
    val2017: set[str]

    def file(self, name: str) -> Path:
        return self.folder / "images" / name

    @cached_property
    def _rank(self) -> dict[str, int]:
        return {sha: rank for rank, sha in enumerate(sorted(self.sha.values()))}

    def fold(self, name: str) -> int:
        """By the rank of the image's hash, so that the folds are of one size."""
        return self._rank[self.sha[name]] % FOLDS


def read_photos(folder: Path) -> Photos:
    """What is in ``folder``: images, ``instances.json`` and ``captions.json`` of COCO."""
    if not (folder / "captions.json").is_file():
        raise SystemExit(f"{folder} holds no photos with captions.json and instances.json: give --photos FOLDER.")
    raw = json.loads((folder / "captions.json").read_text(encoding="utf-8"))
    names = {image["id"]: image["file_name"] for image in raw["images"]}
    captions = [(names[one["image_id"]], one["caption"].strip()) for one in raw["annotations"]]
    boxes = read_truth(folder / "instances.json")
    there = {name: {thing.noun for thing in things} for name, things in boxes.items()}
    for name, text in captions:
        there[name] |= {noun for noun, said in objects_named(text).items() if said}
    sha = {name: hashlib.sha256((folder / "images" / name).read_bytes()).hexdigest() for name in boxes}
    val = {image["file_name"] for image in raw["images"] if "val2017" in image["coco_url"]}
    return Photos(folder, sha, boxes, there, captions, val)


def caption_pairs(photos: Photos, question: str) -> list[Item]:
    """Human captions against themselves with one claim changed to what the boxes (and no caption) say is not so."""
    made = matched_counterfactuals(photos.captions, photos.boxes, PHOTOS, kinds=KINDS, each=EACH)
    items = []
    for number, one in enumerate(one for one in made if _false(one, photos)):
        better = number % 2
        sides = (one.response, one.edit.text) if better == 0 else (one.edit.text, one.response)
        name = f"{one.image}/{one.response}/{one.edit.text}"
        items.append(pair(name, question, one.image, sides, better, one.edit.kind))
    return items


def _false(one: Counterfactual, photos: Photos) -> bool:
    """Whether people agree that the edit is false. A number of some kind of persons or things boxes cannot tell."""
    after = one.edit.after
    noun = after.subject.noun or ""
    if one.edit.kind == "object":
        return noun not in photos.there[one.image]
    boxed = sum(thing.noun == noun for thing in photos.boxes[one.image])
    return after.subject.get("kind") is None and boxed not in (0, after.count)


def pope(photos: Photos, seed: int = 0) -> list[Item]:
    """POPE's questions, random, popular and adversarial."""
    return list(questions(objects_by_image(photos.folder / "instances.json"), seed))


def chair(texts: Sequence[dict[str, Any]], photos: Photos) -> list[dict[str, Any]]:
    """``texts`` (image, question, text, reward, sample) with the objects named that boxes contradict and bear out."""
    rows = []
    for row in texts:
        false, true = named_by_boxes(row["text"], row["question"], photos.boxes[row["image"]])
        rows.append(row | {"false": false, "true": true})
    return rows


def first_and_best(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each image: false and true objects of the first sample, of the one with the highest reward, and of the one
    that a choice by the boxes themselves would take (``truest``): about as far as a reward can come with these samples.
    """
    by_image: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_image[row["image"]].append(row)
    chosen = []
    for image, said in sorted(by_image.items()):
        said.sort(key=lambda row: row["sample"])
        best = said[int(np.argmax([row["reward"] for row in said]))]
        picks = {"first": said[0], "best": best, "truest": min(said, key=_falseness)}
        counts = {f"{pick}_{side}": row[side] for pick, row in picks.items() for side in ("false", "true")}
        chosen.append({"image": image} | counts)
    return chosen


def _falseness(row: dict[str, Any]) -> tuple[float, int]:
    named = row["false"] + row["true"]
    return row["false"] / named if named else 1.0, -row["true"]  # saying nothing is no way to be true


def rule_curve(lines: Sequence[Path], photos: Photos, rule: Rule) -> list[dict[str, Any]]:
    """Precision and yield of the rejection rule over its threshold, by source of pair, judged by human boxes.

    ``lines``: folders of finished runs. A pair on whose two answers the boxes find as much wrong is not judged; how
    many those are is told. Lengths, duplicates and budget refuse pairs for other reasons than their label and do not
    count here.
    """
    names = {sha: name for name, sha in photos.sha.items()}
    offered: dict[str, list[dict[str, Any]]] = defaultdict(list)
    seen: set[str] = set()
    for file in sorted(file for line in lines for file in line.glob("[0-9][0-9]/pairs_offered.parquet")):
        for row in pq.read_table(file).to_pylist():
            if row["image_sha256"] in names and (key := f"{row['pair_id']} {row['chosen']}") not in seen:
                seen.add(key)
                offered[row["source"]].append(_by_boxes(row, names, photos))
    points = []
    for source, rows in sorted(offered.items()):
        for tau in TAUS:
            passed = [row for row in rows if _passes(row, rule, tau)]
            judged = [row["right"] for row in passed if row["right"] is not None]
            points.append({
                "source": source, "tau": tau, "offered": len(rows), "kept": len(passed), "judged": len(judged),
                "precision": round(float(np.mean(judged)), 4) if judged else None,
            })  # fmt: skip
    return points


def _by_boxes(row: dict[str, Any], names: dict[str, str], photos: Photos) -> dict[str, Any]:
    objects = photos.boxes[names[row["image_sha256"]]]
    false = [count_by_boxes(row[side], row["question"], objects)[0] for side in ("chosen", "rejected")]
    return row | {"reward_margin": None, "right": None if false[0] == false[1] else false[0] < false[1]}


def _passes(row: dict[str, Any], rule: Rule, tau: float) -> bool:
    return all(check.passed for check in checks(row, rule, tau) if check.test not in ("length", "vetoed"))


def prompts_of(names: Sequence[str], photos: Photos, question: str, root: Path) -> pa.Table:
    """PROMPTS about photos that are in the image store."""
    common = {"question": question, "kind": "description", "part": USER}
    rows = [
        {"prompt_id": sha, "image": relative_path(sha, root), "image_sha256": sha} | common
        for sha in (photos.sha[name] for name in names)
    ]
    return pa.Table.from_pylist(rows, PROMPTS)
