"""One JSON document: figures, settings, summaries."""

from __future__ import annotations

import json
from typing import Any

from vlrm.catalog.local import JSONPreview, LocalDataset
from vlrm.errors import UserError
from vlrm.lineage.files import write_json
from vlrm.lineage.hashing import plain


class JsonDocument(LocalDataset[Any, Any]):
    """Loads what the file holds; saves dicts, lists, dataclasses and pydantic models, keys sorted, indented.

    .. code-block:: yaml

        "metrics_{round}":
          type: vlrm.catalog.JsonDocument
          filepath: data/rounds/default/{round}/metrics.json

    .. code-block:: python

        JsonDocument("metrics.json").save({"pairs_kept": 120})
    """

    def load(self) -> Any:
        path = self._there()
        try:
            return json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise UserError(f"{path} is not valid JSON ({error}): delete it and run again.") from error

    def save(self, data: Any) -> None:
        write_json(self.path, plain(data))

    def preview(self) -> JSONPreview:
        """The document for Kedro-Viz."""
        return JSONPreview(json.dumps(self.load()))
