"""A Parquet file of preferences, a row group a part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from vlrm.preferences.pair import Preference


class ParquetFile:
    """``path`` with the columns of ``schema``; ``row`` makes one row of them."""

    def __init__(self, path: Path, schema: pa.Schema, row: Callable[[Preference], dict[str, Any]]) -> None:
        self._row = row
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", version="2.6")

    def write(self, pairs: Sequence[Preference]) -> None:
        self._writer.write_table(pa.Table.from_pylist([self._row(pair) for pair in pairs], self._schema))

    def close(self) -> None:
        self._writer.close()
