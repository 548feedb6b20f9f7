"""What a judge's judgements depend on, as one hash: results are kept by it, and never mixed up."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlrm.lineage.code import code_of
from vlrm.lineage.hashing import hash_json, hash_path, plain

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPUTED_BY = ("torch", "transformers", "pillow")


def fingerprint(judging: Callable[..., Any], *parts: Any) -> str:
    """A hash of the code of ``judging``, the versions of the packages it computes with, and ``parts`` (JSON data)."""
    versions = {name: metadata.version(name) for name in _COMPUTED_BY}
    return hash_json([code_of(judging), versions, plain(list(parts))])


def weights_of(model: str | Path) -> str:
    """The hash of a model's folder, or of the cached snapshot of a hub name; a name that is not cached as it is."""
    if found := hash_path(Path(model).expanduser()):
        return found
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(str(model), "config.json")
    except HFValidationError:  # a folder that is not there: whoever loads it says so
        config = None
    # A snapshot's folder is named by the commit: other weights have another one.
    return f"{model}@{Path(config).parent.name}" if isinstance(config, str) else str(model)
