"""What the project's datasets share: a local path, and errors that name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Generic, NewType, TypeVar

from kedro.io import AbstractDataset

from vlrm.errors import UserError

# Kedro-Viz chooses how to show a preview by the name of its return type.
TablePreview = NewType("TablePreview", dict)
JSONPreview = NewType("JSONPreview", str)
In = TypeVar("In")
Out = TypeVar("Out")


class LocalDataset(AbstractDataset[In, Out], Generic[In, Out]):
    """A dataset that is one file or folder; ``path`` is what the lineage hashes."""

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    @property
    def path(self) -> Path:
        return self._filepath

    def _exists(self) -> bool:
        return self.path.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self.path.as_posix()}

    def _there(self) -> Path:
        """The path, or an error that says what to run first."""
        if not self._exists():
            raise UserError(
                f"{self.path} does not exist yet: run the stage that writes it (kedro run --pipelines iterate)."
            )
        return self.path
