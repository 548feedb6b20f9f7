"""One small whole run of the real loop (conf/smoke), made once and shared by every test in this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from smoke_run import WholeRun, iterate

SLOW = 1500
"""Seconds a test may take before it counts as hanging: the first one waits for the run."""


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> WholeRun:
    data = tmp_path_factory.mktemp("whole_run") / "data"
    done = iterate(data)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return WholeRun(data, done.stdout)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With ``--dist loadgroup`` these tests share a worker, so that there is one run and not one a worker."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("whole_run"))
            item.add_marker(pytest.mark.timeout(SLOW))
