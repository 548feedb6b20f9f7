"""The benchmarks by name: what each is, how it is read, and what to beware of."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks.source import find_source
from vlrm.user_files import inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from vlrm.evaluation.benchmarks.item import Item

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Suite:
    """A benchmark.

    Attributes:
        name: as commands call it; its loader is the module of that name, ``items(source)``.
        about: what it asks, in one line.
        files: patterns of its files' names, looked for where a folder is given.
        categories: those of the released files; empty where the file decides.
        licence: of the questions and answers; images have their own.
        traps: what has misled people who report it, in one line.
    """

    name: str
    about: str
    files: tuple[str, ...]
    categories: tuple[str, ...]
    licence: str
    traps: str


SUITES = (
    Suite(
        "vl_rewardbench", "VL-RewardBench: which of two answers is better",
        ("vl_rewardbench.json", "*vl*reward*bench*.json*", "test-*.parquet"),
        ("general", "hallucination", "reasoning"), "MIT",
        "1,245 of 1,250 items store the better answer first; 25 ids repeat; two wrong splits by category circulate",
    ),
    Suite(
        "multimodal_rewardbench", "Multimodal RewardBench: which of two answers is better",
        ("all_data.json",),
        ("correctness", "preference", "knowledge", "reasoning/math", "reasoning/coding", "safety/bias",
         "safety/toxicity", "vqa"), "CC BY-NC 4.0",
        "images are a separate download; the official script counts a missing verdict as a random one",
    ),
    Suite(
        "mm_rlhf_rewardbench", "MM-RLHF-RewardBench: which of two answers is better",
        ("mm_rlhf_rewardbench.jsonl", "data.jsonl", "*.jsonl"),
        ("mcq", "long", "short", "safety", "video"), "research use",
        "pairs share ids: Acc+ asks for all of an id; the longer answer is better in 71.8 %; 25 are about videos",
    ),
    Suite(
        "rlaif_v", "RLAIF-V: chosen and rejected answers, judged by open models",
        ("RLAIF-V-Dataset_*.parquet", "train-*.parquet"), (), "CC BY-NC 4.0",
        "a training set: what was trained on it is not examined by it; origin_split is an object written as text",
    ),
    Suite(
        "llava_critic", "LLaVA-Critic-113k: which of two answers GPT-4o prefers",
        ("pairwise/*.parquet", "train-*.parquet", "*.parquet"), (), "Apache-2.0",
        "labels are one model's opinion; ties and pointwise rows compare nothing and are skipped",
    ),
    Suite(
        "pope", "POPE: is there such an object in the image",
        ("*pope*random*.json*", "*pope*popular*.json*", "*pope*adversarial*.json*", "test-*.parquet"),
        ("random", "popular", "adversarial"), "MIT",
        "its .json files hold one object a line; half of the answers are yes: read the yes-ratio with the accuracy",
    ),
    Suite(
        "hallusionbench", "HallusionBench: yes-or-no questions over figures and their changed copies",
        ("HallusionBench.json", "hallusionbench.json"), ("VD", "VS"), "BSD-3-Clause",
        "178 questions have no image; accuracy by question pair (qAcc) and by figure (fAcc) is far below the plain one",
    ),
    Suite(
        "amber", "AMBER: objects in written texts, and yes-or-no questions of existence, attribute, relation",
        ("*query_all.json", "*annotations.json"), ("generative", "existence", "attribute", "relation"), "Apache-2.0",
        "every existence question is answered no: accuracy there is the share of noes",
    ),
    Suite(
        "ms_swift", "preference pairs in ms-swift's JSONL", ("ms_swift.jsonl", "*.jsonl"), (), "yours",
        "the chosen answer stands first in every row",
    ),
    Suite(
        "trl", "preference pairs in TRL's format", ("trl.parquet", "*.parquet", "*.jsonl"), (), "yours",
        "the chosen answer stands first in every row",
    ),
    Suite(
        "own", "your questions in JSONL or Parquet, with two answers or the right word", ("*.jsonl", "*.parquet"), (),
        "yours", "with chosen and rejected the better answer stands first in every row",
    ),
    Suite(
        "coco_pope", "POPE-style questions built from COCO boxes", ("instances.json", "instances_*.json"),
        ("random", "popular", "adversarial"), "that of the annotations (COCO: CC BY 4.0)",
        "COCO's boxes are not complete: some of what is asked about as absent is in the image",
    ),
    Suite(
        "embedded", "the report split of a finished run on the embedded world: pairs, half of them in quads",
        ("exam.parquet",), ("iid", "prior_breaking", "prior_conforming", "unseen_combination"), "ours (Apache-2.0)",
        "images are rendered and language has a prior: what is right by habit is wrong on prior-breaking pairs",
    ),
)  # fmt: skip


def suite(name: str) -> Suite:
    """A suite by its name; UserError where there is none."""
    for one in SUITES:
        if one.name == name:
            return one
    names = [one.name for one in SUITES]
    close = difflib.get_close_matches(str(name), names, 1)
    guess = f" Did you mean {close[0]}?" if close else ""
    raise UserError(f"There is no suite {name!r}: known are {', '.join(names)}.{guess}")


def load(name: str, path: str | Path, images: str | Path | None = None, seed: int = 0) -> Iterator[Item]:
    """The items of a benchmark, streamed in the order of its files; keys are unique.

    Args:
        name: of the suite.
        path: its file, a folder that holds its files, or a hub name (see :func:`find_source`).
        images: the folder image paths are relative to. Where it is given, a path that leaves it is an error.
        seed: of suites whose questions are drawn (coco_pope).

    Raises:
        UserError: unknown suite, nothing to read, a row without the form (file, row and field are named), no item.
    """
    chosen = suite(name)
    source = find_source(chosen.name, path, chosen.files, images, seed)
    loader = import_module(f"vlrm.evaluation.benchmarks.{chosen.name}")
    return _distinct(loader.items(source), source.skipped, f"The {name} file {path}")


def _distinct(items: Iterable[Item], skipped: Counter[str], what: str) -> Iterator[Item]:
    """Items whose key came before get a number; keys are kept as 64-bit numbers, so that millions fit."""
    seen: set[int] = set()
    again: Counter[str] = Counter()
    for item in items:
        number = int(item.key, 16)
        if number in seen:
            again[item.key] += 1
            yield replace(item, key=f"{item.key}-{again[item.key] + 1}")
        else:
            seen.add(number)
            yield item
    reasons = "; ".join(f"{reason}: {count}" for reason, count in sorted(skipped.items()))
    if not seen:
        raise UserError(f"{what} holds no item" + (f" ({reasons})." if reasons else ": it is empty."))
    if reasons:
        log.warning("%s: rows were skipped (%s)", what, reasons)


def missing_images(items: Iterable[Item], images: str | Path | None) -> tuple[list[str], int]:
    """Names of the images that are not in the folder ``images``, sorted, and how many items are about them.

    Items about no image and images whose bytes the file holds miss nothing; without a folder every name is missing.
    """
    there: dict[str, bool] = {}
    count = 0
    for item in items:
        if isinstance(item.image, str):
            if item.image not in there:
                there[item.image] = image_file(item.image, images) is not None
            count += not there[item.image]
    return sorted(name for name, found in there.items() if not found), count


def image_file(name: str, images: str | Path | None) -> Path | None:
    """The file of an item's image inside the folder ``images``; None where there is none.

    Raises:
        UserError: the path leaves the folder.
    """
    from pathlib import Path

    if images is None:
        return None
    path = inside(name, Path(images).resolve())
    return path if path.is_file() else None
