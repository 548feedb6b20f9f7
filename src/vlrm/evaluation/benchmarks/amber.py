"""AMBER (arXiv 2311.07397): texts whose objects are counted, and yes-or-no questions about objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks.building import ANSWERS, describe, yes_no
from vlrm.evaluation.benchmarks.records import read_records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.records import Record
    from vlrm.evaluation.benchmarks.source import Source

GENERATIVE = "generative"
KINDS = {
    "discriminative-hallucination": ("existence", "existence"),
    "discriminative-attribute-state": ("attribute", "state"),
    "discriminative-attribute-number": ("attribute", "number"),
    "discriminative-attribute-action": ("attribute", "action"),
    "discriminative-relation": ("relation", "relation"),
    "relation": ("relation", "relation"),
}
"""Type in the annotations -> category and kind; 689 relations are called just that."""
QUERIES, ANNOTATIONS = "query", "annotations"


def items(source: Source) -> Iterator[Item]:
    """Queries with the annotation of the same id, which lie in a second file.

    ``describe`` items have ``details`` ``truth`` (objects in the image) and ``hallu`` (objects that models like to make
    up there), yes-or-no items ``kind``.
    """
    queries, annotations = _files(source)
    answers = {record.name("id"): record for record in read_records(annotations, source.name)}
    for record in read_records(queries, source.name, source.images):
        name = record.name("id")
        if name not in answers:
            raise record.error("id", f"{annotations.name} has no annotation of {name}: download both files again.")
        yield _item(record, answers[name], name)


def _item(record: Record, truth: Record, name: str) -> Item:
    question, image = record.text("query"), record.image("image")
    kind = truth.text("type")
    if kind == GENERATIVE:
        return describe(
            name, question, image, GENERATIVE, truth=truth.texts("truth"), hallu=truth.texts("hallu"), kind=GENERATIVE
        )
    if kind not in KINDS:
        raise truth.error("type", f"there is {kind!r} where {', '.join((GENERATIVE, *KINDS))} are known.")
    category, part = KINDS[kind]
    return yes_no(name, question, image, truth.one_of("truth", ANSWERS), category, kind=part)


def _files(source: Source) -> tuple[Path, Path]:
    """The queries and their annotations; of a single file the other lies beside it under the like name."""
    if not source.files:
        raise UserError(f"{source.hub}: AMBER is read from query_all.json and annotations.json: give their folder.")
    queries = [file for file in source.files if QUERIES in file.name]
    if not queries:
        raise UserError(f"{source.files[0]} is no file of AMBER's queries (query_all.json): give it, or its folder.")
    first = queries[0]
    beside = [first.with_name(first.name.replace(part, ANNOTATIONS)) for part in ("query_all", "query_generative",
              "query_discriminative", QUERIES)]  # fmt: skip
    found = [file for file in (*source.files, *beside) if ANNOTATIONS in file.name and file.is_file()]
    if not found:
        raise UserError(f"AMBER's annotations.json is not beside {first}: put it there.")
    return first, found[0]
