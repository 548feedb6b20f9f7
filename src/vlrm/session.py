"""The project's session: a plain ``kedro run`` gets the runner that knows what is already done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.runner import SequentialRunner

from vlrm.runner import LineageRunner

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline

MAIN = "iterate"
"""The pipeline whose stages make a round whole."""


class VlrmSession(KedroSession):
    """Swaps Kedro's sequential runner for :class:`vlrm.runner.LineageRunner`; other runners stay as they
    are."""

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if kwargs.get("runner") is None or type(kwargs["runner"]) is SequentialRunner:
            kwargs["runner"] = LineageRunner(self._project_path, whole=_main_pipeline)
        return super().run(*args, **kwargs)


def _main_pipeline() -> Pipeline | None:
    return pipelines[MAIN] if MAIN in pipelines else None
