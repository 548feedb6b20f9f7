"""Where a benchmark comes from: a file, a folder that holds its files, or a data set of the Hugging Face hub."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks.records import Record, read_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(:[\w.-]+)?(@[\w.-]+)?")


@dataclass(frozen=True)
class Source:
    """What a loader reads. ``skipped`` counts the rows that ask nothing, by the reason why; ``seed`` is for suites
    whose questions are drawn."""

    name: str
    files: tuple[Path, ...] = ()
    hub: str | None = None
    images: Path | None = None
    seed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def records(self) -> Iterator[Record]:
        """Rows of all files, in their order."""
        if self.hub is not None:
            yield from hub_records(self.hub, self.name)
        for file in self.files:
            yield from read_records(file, self.name, self.images)


def find_source(
    name: str, path: str | Path, files: Sequence[str], images: str | Path | None = None, seed: int = 0
) -> Source:
    """The source of the suite ``name`` behind ``path``.

    Args:
        name: of the suite.
        path: a file, a folder with some of ``files``, or a hub name ``owner/name``, with ``:config`` and ``@split``
            where it has several.
        files: patterns of the suite's file names; all that are there are read, in this order.
        images: the folder image paths are relative to; paths that leave it are refused.
        seed: of suites whose questions are drawn.

    Raises:
        UserError: there is nothing to read.
    """
    place = Path(path)
    folder = None if images is None else Path(images).resolve()
    if place.is_file():
        return Source(name, (place,), images=folder, seed=seed)
    if place.is_dir():
        found = [file for pattern in files for file in sorted(place.glob(pattern)) if file.is_file()]
        if not found:
            raise UserError(f"The folder {path} holds no file of {name} ({', '.join(files)}): give the file itself.")
        return Source(name, tuple(dict.fromkeys(found)), images=folder, seed=seed)
    if _HUB_NAME.fullmatch(str(path)):
        return Source(name, hub=str(path), images=folder, seed=seed)
    raise UserError(f"The {name} file {path} does not exist: give the file, or the folder that holds it.")


def hub_records(address: str, name: str) -> Iterator[Record]:
    """Rows of a data set of the hub, streamed, its images as encoded bytes."""
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            f"{address} is no file here, and to read it from the hub the package datasets is needed: "
            "install it (pip install datasets), or download the files and give their folder."
        ) from error
    rest, _, split = address.partition("@")
    repository, _, config = rest.partition(":")
    try:
        found = datasets.load_dataset(repository, config or None, streaming=True)
        chosen = _split(found, split, address)
        for column, kind in (chosen.features or {}).items():
            if isinstance(kind, datasets.Image):
                chosen = chosen.cast_column(column, datasets.Image(decode=False))
        for number, row in enumerate(chosen, start=1):
            yield Record(f"The {name} data set {address}", address, number, row)
    except UserError:
        raise
    except Exception as error:  # whatever the hub, its client or the network raise
        raise UserError(
            f"{address} is no file here and cannot be read from the hub ({type(error).__name__}: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else 'no reason given'}): check the name and "
            "the network (HF_HUB_OFFLINE), or download the files and give their folder."
        ) from error


def _split(found: Any, split: str, address: str) -> Any:
    names = list(found)
    if split and split not in names:
        raise UserError(f"{address} names the split {split}, but there are {', '.join(names)}.")
    if not split and len(names) > 1:
        raise UserError(f"{address} has the splits {', '.join(names)}: add @ and the one you mean.")
    return found[split or names[0]]
