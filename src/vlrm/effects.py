"""What finished stages leave besides the files that their manifest names, and whether it is still there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


@dataclass
class Effects:
    """The image store and the registry of a data folder as a run finds them.

    ``importing``, ``registering``: the names of the stages that store images, and of those that register a model.
    """

    data: Path
    importing: Collection[str] = ()
    registering: Collection[str] = ()

    def lost(self, stage: str) -> bool:
        """Whether a stage whose files are there is to be done again, since what it also left is gone.

        A registry is lost as a whole (``mlflow.db`` was moved away), and so is an image store (it was not copied with
        the rounds): that a single version or image is missing is told where it is asked for.
        """
        if stage in self.registering:
            return not self._registered
        return stage in self.importing and not self._images

    @cached_property
    def _registered(self) -> bool:
        file = self.data / "mlflow.db"
        if not file.exists():
            return False
        try:
            with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=60)) as known:
                return known.execute("SELECT 1 FROM model_versions LIMIT 1").fetchone() is not None
        except sqlite3.Error:  # another version's, or damaged: MLflow tells of it
            return True

    @cached_property
    def _images(self) -> bool:
        store = self.data / "01_raw" / "images"
        return store.is_dir() and any(store.iterdir())
