"""Writes the kept pairs of finished rounds in every format that was asked for, in one pass over the tables."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vlrm.errors import UserError
from vlrm.images import relative_path
from vlrm.lineage.files import duplicate, write_json
from vlrm.preferences import ms_swift, plain, trl
from vlrm.preferences.parquet_file import ParquetFile
from vlrm.preferences.reading import RoundTables, preferences
from vlrm.progress import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from vlrm.preferences.pair import Preference

SUMMARY = "export.json"
IMAGES = "images"


class Format(Protocol):
    """A file that takes pairs, a part at a time."""

    def write(self, pairs: Sequence[Preference]) -> None: ...

    def close(self) -> None: ...


FORMATS: dict[str, tuple[str, Callable[[Path], Format]]] = {
    "trl": (trl.FILE, lambda folder: ParquetFile(folder / trl.FILE, trl.SCHEMA, trl.row)),
    "ms_swift": (ms_swift.FILE, ms_swift.MsSwiftFile),
    "plain": (plain.FILE, lambda folder: ParquetFile(folder / plain.FILE, plain.SCHEMA, plain.row)),
}


class Export(BaseModel):
    """What ``kedro run --pipelines export`` writes."""

    model_config = ConfigDict(extra="forbid")

    formats: tuple[str, ...] = tuple(FORMATS)
    copy_images: bool = False
    """Put the images into the export's folder and refer to them from there, so that the folder can be moved."""
    rounds: tuple[int, ...] | None = None
    """Only the pairs of these rounds; all finished ones by default."""
    min_weight: float = Field(0.0, ge=0)
    """Only pairs of at least this training weight; a round's weights have mean 1."""

    @field_validator("formats", mode="before")
    @classmethod
    def _listed(cls, formats: Any) -> Any:
        """One name is a list of one: ``--params export.formats=trl``."""
        return (formats,) if isinstance(formats, str) else formats

    @field_validator("formats")
    @classmethod
    def _known(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in formats if name not in FORMATS]
        if unknown or not formats:
            raise ValueError(f"there is no format '{', '.join(unknown)}'; there are {', '.join(FORMATS)}")
        return tuple(dict.fromkeys(formats))


@dataclass(frozen=True)
class Exported:
    """Preference data on its way to a folder.

    Args:
        rounds: the finished rounds.
        images: the content-addressed image store.
    """

    rounds: Sequence[RoundTables]
    images: Path
    settings: Export

    def save(self, path: Path) -> None:
        """Write the files, the images if they are to be copied, and ``export.json``, which tells what was written."""
        counts: Counter[int] = Counter()
        copied: set[str] = set()

        def reference(sha: str) -> str:
            relative = relative_path(sha, self.images)
            if not self.settings.copy_images:
                return str((self.images / relative).resolve())
            if sha not in copied:
                copied.add(sha)
                duplicate(self.images / relative, path / IMAGES / relative)
            return f"{IMAGES}/{relative}"

        with ExitStack() as stack:
            files = [stack.enter_context(closing(FORMATS[name][1](path))) for name in self.settings.formats]
            for pairs in preferences(self._chosen(), reference, self.settings.min_weight):
                for file in files:
                    file.write(pairs)
                counts.update(pair.round for pair in pairs)
                say(f"{counts.total()} pairs written")
        if not counts:
            raise UserError(
                f"no kept pair has a weight of at least export.min_weight={self.settings.min_weight}: lower it."
            )
        write_json(path / SUMMARY, {
            "pairs": counts.total(),
            "by_round": {str(number): count for number, count in sorted(counts.items())},
            "files": [FORMATS[name][0] for name in self.settings.formats],
            "images": IMAGES if self.settings.copy_images else str(self.images.resolve()),
            "settings": self.settings.model_dump(mode="json"),
        })  # fmt: skip

    def _chosen(self) -> list[RoundTables]:
        wanted = self.settings.rounds
        there = {tables.number for tables in self.rounds}
        if missing := sorted(set(wanted or ()) - there):
            raise UserError(
                f"export.rounds names round {missing[0]}, which is not finished: there are "
                f"{', '.join(map(str, sorted(there)))}."
            )
        return [tables for tables in self.rounds if wanted is None or tables.number in wanted]
