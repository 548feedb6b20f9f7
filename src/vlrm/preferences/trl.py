"""TRL's conversational preference format with images: columns images, prompt, chosen, rejected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from vlrm.preferences.pair import Preference

FILE = "trl.parquet"
_TEXT = {"dtype": "string", "_type": "Value"}
_TURNS = {"feature": {"role": _TEXT, "content": _TEXT}, "_type": "List"}
FEATURES = {
    "images": {"feature": {"_type": "Image"}, "_type": "List"},
    "prompt": _TURNS,
    "chosen": _TURNS,
    "rejected": _TURNS,
}
"""What ``datasets`` reads from the file: images are opened when a row is, a turn is a role and its text."""
_IMAGES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SCHEMA = pa.schema(
    [("images", _IMAGES), ("prompt", _MESSAGES), ("chosen", _MESSAGES), ("rejected", _MESSAGES)],
    metadata={"huggingface": json.dumps({"info": {"features": FEATURES}})},
)


def row(pair: Preference) -> dict[str, Any]:
    """One row of :data:`SCHEMA`. The image is referred to, and TRL puts it before the question itself."""
    return {
        "images": [{"bytes": None, "path": pair.image}],
        "prompt": [{"role": "user", "content": pair.question}],
        "chosen": [{"role": "assistant", "content": pair.chosen.text}],
        "rejected": [{"role": "assistant", "content": pair.rejected.text}],
    }
