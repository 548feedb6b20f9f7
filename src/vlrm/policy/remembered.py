"""Prompts read a moment ago: one that goes on from such a prompt has only its new tokens read.

Of a fresh batch, what the prompts about an image begin with is read once for all of them.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vlrm.policy.decoding import shares_prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.vlm import Vlm

Prompt = tuple[str | None, list[int]]
"""An image and token ids."""


class Remembered:
    """The last batch of prompts a model read, with its keys and values."""

    def __init__(self, vlm: Vlm) -> None:
        self.vlm = vlm
        self._rows: list[Prompt] = []
        self._mask_BL = torch.empty(0, 0, dtype=torch.long)
        self._cache: Any = None

    @staticmethod
    def can(vlm: Vlm) -> bool:
        """Whether a prompt's keys and values are all that its next token depends on.

        Not where places in an image have two dimensions, in caches of another kind, or where tokens that were said are
        held against being said again.
        """
        penalty = vlm.model.generation_config.repetition_penalty
        return vlm.family.axes == 1 and shares_prompts(vlm.model) and penalty in (None, 1.0)

    @torch.no_grad()
    def logits(self, prompts: Sequence[Prompt]) -> Tensor:
        """What follows each prompt: (B, V) logits in float32."""
        began = [self._begun(prompt) for prompt in prompts]
        if None in began:
            self._begin(beginnings(prompts, self.vlm.image_token_id))
            began = [self._begun(prompt) for prompt in prompts]
        out = self._read_on(prompts, torch.tensor(began))
        self._rows, self._cache = list(prompts), out.past_key_values
        return out.logits[:, -1].float()

    def _begin(self, rows: list[Prompt]) -> None:
        """Forget what was read, and read these."""
        self._cache = None  # before the next one is made
        inputs = self.vlm.inputs([image for image, _ in rows], [ids for _, ids in rows], side="left")
        self._mask_BL = inputs["attention_mask"]
        out = self.vlm.model(**inputs, position_ids=_positions(self._mask_BL), use_cache=True, logits_to_keep=1)
        self._rows, self._cache = rows, out.past_key_values

    def _begun(self, prompt: Prompt) -> int | None:
        """The row that the prompt goes on from."""
        image, ids = prompt
        found = (i for i, (seen, read) in enumerate(self._rows) if seen == image and len(read) < len(ids))
        return next((i for i in found if ids[: len(self._rows[i][1])] == self._rows[i][1]), None)

    def _read_on(self, prompts: Sequence[Prompt], began_B: Tensor) -> Any:
        new = [ids[len(self._rows[row][1]) :] for (_, ids), row in zip(prompts, began_B.tolist(), strict=True)]
        device, longest = self._mask_BL.device, max(map(len, new))
        tokens_BT = torch.full((len(new), longest), self.vlm.tokenizer.pad_token_id)
        mask_BT = torch.zeros(len(new), longest, dtype=torch.long)
        for i, row in enumerate(new):  # padding stands before what is new: the last column is each row's last token
            tokens_BT[i, longest - len(row) :] = torch.tensor(row)
            mask_BT[i, longest - len(row) :] = 1
        self._cache.batch_select_indices(began_B.to(device))
        self._mask_BL = torch.cat([self._mask_BL[began_B.to(device)], mask_BT.to(device)], 1)
        return self.vlm.model(
            input_ids=tokens_BT.to(device), attention_mask=self._mask_BL,
            position_ids=_positions(self._mask_BL)[:, -longest:], past_key_values=self._cache, use_cache=True,
            logits_to_keep=1,
        )  # fmt: skip


def beginnings(prompts: Sequence[Prompt], image_token: int) -> list[Prompt]:
    """Of the prompts about each image the tokens that all begin with, the last of none: something is left to read on.

    Prompts whose common tokens do not hold the whole image stand for themselves.
    """
    by_image: dict[str | None, list[list[int]]] = {}
    for image, ids in prompts:
        by_image.setdefault(image, []).append(ids)
    found: dict[tuple[str | None, tuple[int, ...]], None] = {}
    for image, rows in by_image.items():
        common = _common([row[:-1] for row in rows])
        shown = rows[0].count(image_token)
        shared = bool(common) and all(row.count(image_token) == shown == common.count(image_token) for row in rows)
        found |= dict.fromkeys((image, tuple(row)) for row in ([common] if shared else [row[:-1] for row in rows]))
    return [(image, list(ids)) for image, ids in found]


def _common(rows: Sequence[list[int]]) -> list[int]:
    """What all rows begin with: what the first and the last of them in order do."""
    return [a for a, _ in takewhile(lambda both: both[0] == both[1], zip(min(rows), max(rows), strict=False))]


def _positions(mask_BL: Tensor) -> Tensor:
    """Places among the tokens that count; padding, which nothing reads, has any."""
    return (mask_BL.cumsum(1) - 1).clamp(min=0)
