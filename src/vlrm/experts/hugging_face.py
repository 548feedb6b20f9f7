"""Loads transformers pipelines for experts: from a folder or the hub's cache, safetensors only, no foreign code."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from vlrm.errors import UserError
from vlrm.experts.devices import chosen_device


def load_pipeline(task: str, model: str, device: str) -> Any:
    """The pipeline for ``task``; ``model`` is a folder, or a hub name whose files are there or may be fetched.

    Raises:
        UserError: the model is not there, is for something else, or has no safetensors.
    """
    from transformers import pipeline

    try:
        return pipeline(
            task, model=model, device=chosen_device(device), trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )  # fmt: skip
    except (OSError, ValueError, KeyError, ImportError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"The model {model} cannot be loaded for {task} ({why}): give a folder written by save_pretrained with "
            "safetensors, or a hub name while online (HF_HUB_OFFLINE=0)."
        ) from error


def weights_identity(model: str) -> str:
    """A hash of a folder's configuration and weights; for a hub name, the name: pin it to a folder to be sure."""
    folder = Path(model)
    if not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        with file.open("rb") as stream:
            digest.update(f"{file.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
