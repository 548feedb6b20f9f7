"""Which experts there are: every class of this package with a ``name`` and a ``settings_type``, found unimported."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def known_experts(folder: Path = Path(__file__).parent, package: str = __package__) -> dict[str, str]:
    """Name -> ``module:Class`` of each expert in the files of ``folder``, which is the package ``package``.

    The files are parsed, not imported: an expert whose libraries are not installed costs nothing until it is
    configured, and adding a file adds the expert. An expert is a class with ``name = "..."`` and
    ``settings_type = ...`` in its body; the test of the registry imports them all.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "settings_type" not in text:
            continue
        module = ".".join([package, *path.relative_to(folder).with_suffix("").parts])
        for node in ast.parse(text).body:
            name = _expert_name(node)
            if name is not None:
                found[name] = f"{module}:{node.name}"  # type: ignore[attr-defined]
    return found


def _expert_name(node: ast.stmt) -> str | None:
    """The ``name`` of an expert class, None when the statement defines no expert."""
    if not isinstance(node, ast.ClassDef):
        return None
    values = {
        target.id: part.value
        for part in node.body
        if isinstance(part, ast.Assign)
        for target in part.targets
        if isinstance(target, ast.Name)
    }
    name = values.get("name")
    if "settings_type" in values and isinstance(name, ast.Constant) and isinstance(name.value, str):
        return name.value
    return None
