"""Code fingerprints: a hash of the project's source files that a stage's function imports."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from functools import cache, partial
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.machinery import ModuleSpec

PACKAGES = ("vlrm", "vlrm_kernels")


def code_of(function: Callable[..., Any]) -> str:
    """SHA-256 over the module that defines ``function`` and every project module it imports, however deep.

    Imports inside functions count. Packages from elsewhere do not: their versions stand in the manifest.
    """
    while isinstance(function, partial) or hasattr(function, "__wrapped__"):
        function = function.func if isinstance(function, partial) else function.__wrapped__
    return code_of_module(getattr(function, "__module__", ""))


@cache
def code_of_module(module: str) -> str:
    """As :func:`code_of`, of a module by its name; the same for all that are not found."""
    found: dict[str, Path] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        path = _source(name)
        if name in found or path is None:
            continue
        found[name] = path
        todo.extend(i for i in _imports(name, path) if i.split(".")[0] in PACKAGES)
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode() + b"\0" + hashlib.sha256(found[name].read_bytes()).digest())
    return digest.hexdigest()[:16]


@cache
def _source(module: str) -> Path | None:
    try:
        spec = _spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


@cache
def _spec(module: str) -> ModuleSpec | None:
    """Where a module is. ``find_spec`` alone would import the packages it lies in, and all that they import."""
    parent = module.rpartition(".")[0]
    if not parent:
        return importlib.util.find_spec(module)
    package = _spec(parent)
    if package is None or package.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(module, package.submodule_search_locations)


def _imports(module: str, path: Path) -> Iterator[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
            yield base
            # ``from package import name``: the name may be a module of the package; _source drops it if not
            yield from (f"{base}.{alias.name}" for alias in node.names)
