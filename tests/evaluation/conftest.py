"""Real benchmarks and photos, which are not part of the project: tests that need them are skipped without them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("VLRM_SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data")


@pytest.fixture(scope="session")
def shared_data():
    """Path of a file or folder of the shared data by its relative name."""

    def find(name: str) -> Path:
        if not (SHARED / name).exists():
            pytest.skip(f"{SHARED / name} is not there: real data for tests, beside the project or in VLRM_SHARED_DATA")
        return SHARED / name

    return find
