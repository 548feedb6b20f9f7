"""One folder: model weights, adapters, image stores; or one file, where its path is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from vlrm.catalog.local import LocalDataset
from vlrm.lineage.files import duplicate, replacing


@runtime_checkable
class Savable(Protocol):
    """Anything that can write itself into a folder; one with a method ``settled`` is told when that is in place."""

    def save(self, path: Path) -> None: ...


class Folder(LocalDataset["Savable | Path", Path]):
    """Loads the folder's :class:`~pathlib.Path`; saves an object with ``save(path)``, or a folder to take
    over.

    The object writes into a temporary folder that takes its place when it is whole.

    .. code-block:: yaml

        "reward_model_{round}":
          type: vlrm.catalog.Folder
          filepath: data/rounds/default/{round}/reward_model
    """

    def load(self) -> Path:
        return self._there()

    def save(self, data: Savable | Path) -> None:
        if isinstance(data, Path):
            if data.resolve() != self.path.resolve():
                duplicate(data, self.path)
            return
        with replacing(self.path) as new:
            new.mkdir(parents=True)
            data.save(new)
        if (settled := getattr(data, "settled", None)) is not None:
            settled()
