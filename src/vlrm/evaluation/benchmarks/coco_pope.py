"""POPE-style questions about photos with COCO boxes: the absent objects drawn at random, by frequency, by company.

The definition is that of POPE (arXiv 2305.10355, section 5.1, and its released code): of every image with at least k
kinds of objects, k that are there and k that are not. Random: any object of the data. Popular: the objects most
frequent in the data. Adversarial: for each object asked about that is there, the object most often seen with it.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks.building import NO, YES, yes_no
from vlrm.evaluation.benchmarks.pope import SPLITS
from vlrm.evaluation.benchmarks.records import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.source import Source

ASKED = 3
"""k, as in the released POPE."""


def items(source: Source) -> Iterator[Item]:
    """Questions about the images of one COCO instances file, split by split."""
    if not source.files:
        raise UserError(f"{source.hub}: coco_pope is built from a COCO instances.json: give that file.")
    yield from questions(objects_by_image(source.files[0]), source.seed)


def objects_by_image(path: Path) -> dict[str, list[str]]:
    """File name -> the kinds of objects in it, in the order of the annotations.

    Crowd regions count: what they show is there, and must not be asked about as absent.

    Raises:
        UserError: the file has not the form of COCO's instances.
    """
    raw = read_json(path, f"The coco_pope file {path}")
    try:
        nouns = {one["id"]: str(one["name"]) for one in raw["categories"]}
        names = {one["id"]: str(one["file_name"]) for one in raw["images"]}
        found: dict[str, dict[str, None]] = {name: {} for name in names.values()}
        for thing in raw["annotations"]:
            found[names[thing["image_id"]]][nouns[thing["category_id"]]] = None
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"The coco_pope file {path} is no COCO instances file ({type(error).__name__}: {error}): it needs the "
            "lists images, annotations and categories as COCO writes them."
        ) from error
    return {name: list(kinds) for name, kinds in found.items()}


def questions(objects: Mapping[str, Sequence[str]], seed: int = 0, asked: int = ASKED) -> Iterator[Item]:
    """``asked`` objects that are there and as many that are not, of each image and split.

    Args:
        objects: file name -> kinds of objects. Images with fewer than ``asked`` are left out, as in POPE.
        seed: decides which objects are asked about; what is there is the same in all three splits.
        asked: k.

    Raises:
        UserError: no image has that many kinds of objects.
    """
    used = {name: list(kinds) for name, kinds in objects.items() if len(kinds) >= asked}
    if not used:
        raise UserError(f"None of the {len(objects)} images has {asked} kinds of objects: POPE asks about such images.")
    frequent = [noun for noun, _ in _ranked(noun for kinds in used.values() for noun in kinds)]
    company = _company(used)
    for split in SPLITS:
        for name, kinds in used.items():
            rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
            there = [str(noun) for noun in rng.permutation(kinds)[:asked]]
            drawn = [str(noun) for noun in rng.permutation(frequent)]
            taken = set(kinds)
            for present in there:
                ranks = {"random": drawn, "popular": frequent, "adversarial": company[present]}[split]
                yield _question(split, name, present, YES)
                absent = next((noun for noun in (*ranks, *drawn) if noun not in taken), None)
                if absent is not None:
                    taken.add(absent)
                    yield _question(split, name, absent, NO)


def _ranked(nouns: Iterable[str]) -> list[tuple[str, int]]:
    """Most frequent first; equal ones by name, so that the order of a file decides nothing."""
    return sorted(Counter(nouns).items(), key=lambda one: (-one[1], one[0]))


def _company(used: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Object -> the others by the number of images that show both."""
    together: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for kinds in used.values():
        for noun in kinds:
            together[noun].update(other for other in kinds if other != noun)
    return {noun: [other for other, _ in _ranked(counts.elements())] for noun, counts in together.items()}


def _question(split: str, image: str, noun: str, answer: int) -> Item:
    article = "an" if noun[0] in "aeiou" else "a"
    details: dict[str, Any] = {"object": noun}
    return yes_no(f"{image}/{noun}", f"Is there {article} {noun} in the image?", image, answer, split, **details)
