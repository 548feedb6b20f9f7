"""The finished rounds of an experiment by the names they have in the DAG, for notebooks: no run, no pipeline built."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from kedro.utils import find_kedro_project

from vlrm.errors import UserError
from vlrm.lineage.ledger import Ledger

if TYPE_CHECKING:
    import pyarrow as pa

DATA, EXPERIMENT = "VLRM_DATA", "VLRM_EXPERIMENT"
"""Environment variables: the data folder (``data``) and the experiment in it (``default``)."""


@dataclass(frozen=True)
class Finished:
    """``project``: the project's folder. ``data``: the data folder. ``rounds``: numbers of finished rounds, 0 first."""

    project: Path
    data: Path
    experiment: str
    rounds: list[int]
    catalog: DataCatalog
    manifests: dict[str, dict[str, Any]]

    @classmethod
    def open(cls, data: str | None = None, experiment: str | None = None, project: Path | None = None) -> Finished:
        """Open an experiment; what is not said comes from VLRM_DATA and VLRM_EXPERIMENT, relative to the project.

        :raises UserError: when the experiment has no finished round there.
        """
        project = project or find_kedro_project(Path.cwd()) or Path.cwd()
        folder = project / (data or os.environ.get(DATA, "data"))
        experiment = experiment or os.environ.get(EXPERIMENT, "default")
        ledger = Ledger.open(folder / "rounds", experiment, project)
        rounds = sorted(int(name) for name in ledger.manifests if name.isdigit() and ledger.sealed(name))
        if not rounds:
            raise UserError(
                f"experiment '{experiment}' has no finished round under {folder / 'rounds'}: run kedro run --pipelines "
                f"iterate first, or name another place with {DATA} and {EXPERIMENT}."
            )
        where = {"data": str(folder), "experiment": experiment}
        loader = OmegaConfigLoader(
            str(project / "conf"), base_env="base", default_run_env="local", runtime_params=where
        )
        catalog = DataCatalog.from_config(loader["catalog"])
        return cls(Path(project), folder, experiment, rounds, catalog, ledger.manifests)

    @property
    def images(self) -> Path:
        """The content-addressed image store."""
        return self.data / "01_raw" / "images"

    def load(self, name: str) -> Any:
        """A dataset by its name in the DAG, such as ``round_01.candidates`` or ``metrics_02``."""
        return self.catalog.load(name)

    def table(self, name: str) -> pl.DataFrame:
        """A table by its name in the DAG, as a data frame."""
        table: pa.Table = self.load(name)
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)  # noqa: S101  (a table becomes a frame; only an array becomes a series)
        return frame

    def parameters(self, number: int, stage: str) -> dict[str, Any]:
        """The parameters that a stage of a round had, such as ``rejection_sampling.select_pairs``."""
        return dict(self.manifests[f"{number:02d}"]["stages"][f"round_{number:02d}.{stage}"]["parameters"])
