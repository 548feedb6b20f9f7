"""One text file, such as the HTML report."""

from __future__ import annotations

from vlrm.catalog.local import LocalDataset
from vlrm.lineage.files import replacing


class TextFile(LocalDataset[str, str]):
    """Loads and saves text as UTF-8, line ends as they are.

    .. code-block:: yaml

        report:
          type: vlrm.catalog.TextFile
          filepath: data/08_reporting/report.html
    """

    def load(self) -> str:
        return self._there().read_bytes().decode("utf-8")

    def save(self, data: str) -> None:
        with replacing(self.path) as new:
            new.write_bytes(data.encode("utf-8"))
