"""Tables as Parquet with a declared Arrow schema, compressed, in row groups."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlrm.catalog.local import LocalDataset, TablePreview
from vlrm.errors import UserError
from vlrm.lineage.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable

_ROW_GROUP = 16_384
"""Rows a group: a reader that streams holds this many rows at a time."""


class ParquetTable(LocalDataset[Any, pa.Table]):
    """Loads a :class:`pyarrow.Table`; saves one, or an iterable of tables or record batches, which it
    streams.

    .. code-block:: yaml

        "round_{round}.pairs":
          type: vlrm.catalog.ParquetTable
          filepath: data/rounds/default/{round}/pairs.parquet
          schema: vlrm.schema:PAIRS

    .. code-block:: python

        table = ParquetTable("pairs.parquet", schema="vlrm.schema:WATERFALL")
        table.save(pa.table({"source": ["candidates"], "test": ["length"], "refused": [3], "left": [7]}))
        assert table.load()["left"].to_pylist() == [7]

    Both ways the columns must be the schema's: values are cast safely, a missing column or an unknown one is an
    error. Equal tables give equal bytes: the file holds no times and no host.
    """

    def __init__(self, filepath: str, schema: str | None = None, metadata: dict[str, Any] | None = None):
        super().__init__(filepath, metadata)
        self._name = schema
        self._schema = _find(schema) if schema else None

    def load(self) -> pa.Table:
        path = self._there()
        try:
            return self._fit(pq.read_table(path, memory_map=True))
        except pa.ArrowInvalid as error:
            raise UserError(f"{path} is not a readable Parquet table ({error}): delete it and run again.") from error

    def save(self, data: pa.Table | Iterable[pa.Table | pa.RecordBatch]) -> None:
        parts = iter([data] if isinstance(data, pa.Table) else data)
        with replacing(self.path) as new:
            first = next(parts, None)
            if first is None and self._schema is None:
                raise ValueError(f"{self.path}: no rows and no schema to write")
            schema = self._schema or (first.schema if first is not None else None)
            with pq.ParquetWriter(new, schema, compression="zstd", version="2.6") as writer:
                if first is not None:
                    writer.write_table(self._fit(first), row_group_size=_ROW_GROUP)
                for part in parts:
                    writer.write_table(self._fit(part), row_group_size=_ROW_GROUP)

    def _fit(self, part: pa.Table | pa.RecordBatch) -> pa.Table:
        table = pa.Table.from_batches([part]) if isinstance(part, pa.RecordBatch) else part
        if self._schema is None:
            return table
        wanted, given = set(self._schema.names), set(table.column_names)
        if wanted != given:
            problems = [f"lacks {', '.join(sorted(wanted - given))}"] if wanted - given else []
            problems += [f"has the unknown {', '.join(sorted(given - wanted))}"] if given - wanted else []
            raise UserError(f"{self.path} does not fit {self._name}: it {' and '.join(problems)}.")
        try:
            return table.select(self._schema.names).cast(self._schema).replace_schema_metadata(None)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise UserError(f"{self.path} does not fit {self._name}: {error}.") from error

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self.path.as_posix(), "schema": self._name}

    def preview(self, nrows: int = 20) -> TablePreview:
        """The first rows for Kedro-Viz; lists become text, because its table cannot show them."""
        with pq.ParquetFile(self._there()) as file:
            batch = next(file.iter_batches(batch_size=nrows), None)
        names = self._schema.names if self._schema else []
        if batch is None:
            return TablePreview({"index": [], "columns": names, "data": []})
        rows = [[_cell(value) for value in row.values()] for row in batch.to_pylist()]
        return TablePreview({"index": list(range(len(rows))), "columns": batch.schema.names, "data": rows})


class ParquetStream(ParquetTable):
    """A table of any length: saved like a :class:`ParquetTable`, loaded as its path, for readers that stream.

    .. code-block:: yaml

        answer_evidence:
          type: vlrm.catalog.ParquetStream
          filepath: data/07_model_output/answers/default/evidence.parquet
          schema: vlrm.schema:EVIDENCE
    """

    def load(self) -> Any:
        return self._there()


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _find(name: str) -> pa.Schema:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"schema '{name}' of a catalog entry does not exist: write it as package.module:NAME."
        ) from error
