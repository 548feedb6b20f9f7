"""Gives a node's function arguments that no dataset holds."""

from __future__ import annotations

from functools import partial, update_wrapper
from typing import Any


def named(function: Any, **fixed: Any) -> Any:
    """A node's function with some arguments fixed (keyword-only ones: Kedro binds the others), under its own name."""
    return update_wrapper(partial(function, **fixed), function)
