"""ms-swift's JSONL for DPO and reward models: messages, rejected_response, images, margin."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vlrm.preferences.pair import Preference

FILE = "ms_swift.jsonl"
_TAG = re.compile(r"<(?=(?:image|video|audio|bbox|ref-object)>)")


def row(pair: Preference) -> dict[str, Any]:
    """One line. ``messages`` end with the chosen answer; ``margin`` is what the loss asks between the two rewards."""
    return {
        "messages": [
            {"role": "user", "content": f"<image>{_as_data(pair.question)}"},
            {"role": "assistant", "content": _as_data(pair.chosen.text)},
        ],
        "rejected_response": _as_data(pair.rejected.text),
        "images": [pair.image],
        "margin": pair.columns["margin"],
    }


def _as_data(text: str) -> str:
    """A tag in a user's text is not a place for an image: without one that fits it, ms-swift would stop."""
    return _TAG.sub("< ", text)


class MsSwiftFile:
    """``ms_swift.jsonl`` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / FILE).open("w", encoding="utf-8", newline="\n")

    def write(self, pairs: Sequence[Preference]) -> None:
        self._file.writelines(json.dumps(row(pair), ensure_ascii=False) + "\n" for pair in pairs)

    def close(self) -> None:
        self._file.close()
