"""Runs the experts of a model that sees through them: each image once, its evidence kept by content."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from vlrm.experts.annotate import EvidenceCache, look
from vlrm.experts.config import build_experts
from vlrm.experts.measured import labels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PIL import Image

    from vlrm.schema import Evidence
    from vlrm.seeing.config import Seeing

CACHE = "evidence"
"""The file of evidence beside the folder of features; with the same experts, what expert_annotation found is used."""
IN_MEMORY = 4096
"""Images whose evidence a process keeps."""
AT_ONCE = 8
"""Images that experts see together."""


class Looking:
    """The experts of a ``seeing.json`` over opened images.

    ``folder``: of features, beside which evidence is kept; None for this process's memory alone. ``how``: what else
    decides what the experts are shown, such as a pixel budget.

    Raises:
        UserError: an expert is not known or its package is not installed.
    """

    def __init__(self, seeing: Seeing, folder: Path | None = None, how: str = "") -> None:
        self.experts = build_experts(seeing.experts)
        self.labels = tuple(dict.fromkeys(label for expert in self.experts for label in labels_of(expert)))
        self._how = how
        self._known: OrderedDict[str, list[Evidence]] = OrderedDict()
        self._cache = EvidenceCache(folder.with_name(CACHE) if folder is not None else None, self.experts)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the experts: their sources, weights, settings and libraries."""
        return hashlib.sha256("\n".join(expert.fingerprint for expert in self.experts).encode()).hexdigest()

    def evidence(
        self, references: Sequence[str], opened: Callable[[str], Image.Image], kept: Callable[[str], bool]
    ) -> list[list[Evidence]]:
        """Evidence about each image; ``kept`` says whether what is found goes to disk: what is in no store does not."""
        found = {name: self._known[name] for name in references if name in self._known}
        missing = [name for name in dict.fromkeys(references) if name not in found]
        on_disk = self._cache.read([self._name(name) for name in missing if kept(name)])
        found |= {name: on_disk[self._name(name)] for name in missing if self._name(name) in on_disk}
        missing = [name for name in missing if name not in found]
        for start in range(0, len(missing), AT_ONCE):
            part = missing[start : start + AT_ONCE]
            names = {self._name(name): name for name in part}
            fresh = look(self.experts, self._cache, names, opened)
            self._cache.write({known: rows for known, rows in fresh.items() if kept(names[known])})
            found |= {names[known]: rows for known, rows in fresh.items()}
        self._known.update(found)
        while len(self._known) > IN_MEMORY:
            self._known.popitem(last=False)
        return [found[name] for name in references]

    def _name(self, reference: str) -> str:
        return f"{reference} {self._how}".strip()

    def manifest(self, seeing: Seeing) -> dict[str, Any]:
        """What a reward model records of the eyes it was trained with."""
        return seeing.model_dump(mode="json", exclude={"dropout", "noise", "fading"}) | {
            "fingerprints": {expert.name: expert.fingerprint for expert in self.experts}
        }
