"""Kedro datasets of our own: every save is whole or not at all, and equal data gives equal bytes."""

from vlrm.catalog.folder import Folder
from vlrm.catalog.json_document import JsonDocument
from vlrm.catalog.parquet_table import ParquetStream, ParquetTable
from vlrm.catalog.text_file import TextFile

__all__ = ["Folder", "JsonDocument", "ParquetStream", "ParquetTable", "TextFile"]
