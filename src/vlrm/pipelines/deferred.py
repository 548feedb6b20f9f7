"""A pipeline whose nodes are imported when somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Pipeline


class DeferredPipeline(Pipeline):
    """The pipeline that ``make`` gives, made at the first look at it and then kept.

    A command runs one pipeline of many, and the nodes of some import for many seconds. Kedro copies what
    ``register_pipelines`` returns into a plain dict for as little as its names, so it is the values that have to wait.
    """

    def __init__(self, make: Callable[[], Pipeline]) -> None:
        # Without Pipeline's own: what it would set here is missing, and so asked of __getattr__.
        self._make = make

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_make" not in self.__dict__:  # asked by copy and pickle of an empty instance
            raise AttributeError(name)
        make = self.__dict__.pop("_make")
        try:
            self.__dict__.update(vars(make()))
        except BaseException:
            self._make = make
            raise
        return getattr(self, name)
