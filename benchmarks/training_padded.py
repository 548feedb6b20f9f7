"""The loop to beat: each row holds its image and its question again, padded, with nothing but transformers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from vlrm import chat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.reward.model import RewardModel, Row


@dataclass(frozen=True)
class PaddedBatch:
    """What the processor makes of B rows, and of each where its response starts and how many tokens it has."""

    inputs: dict[str, Tensor]
    spans: list[tuple[int, int]]


class PaddedLoop:
    """Rewards of a :class:`RewardModel`, the same weights and formula, from a batch as the processor pads it.

    The processor makes tokens and pixels of every row, and its image goes through the tower, without gradients, since
    the tower is frozen.
    """

    def __init__(self, model: RewardModel) -> None:
        self.model = model

    def batch(self, rows: Sequence[Row]) -> PaddedBatch:
        vlm = self.model.vlm
        form = self.model.config.verify_form
        texts = [vlm.text(chat.verify(r.question, r.response, r.critique, form), reply=True) for r in rows]
        images = [[vlm.open(r.image)] for r in rows if r.image is not None]
        inputs = vlm.processor(text=texts, images=images, padding=True, padding_side="right", return_tensors="pt")
        spans = []
        for row in rows:
            before = vlm.token_ids([vlm.text(chat.ask(row.question), reply=True)], [row.image])[0]
            spans.append((len(before), len(vlm.token_ids([row.response])[0])))
        return PaddedBatch(dict(inputs), spans)

    def __call__(self, rows: Sequence[Row]) -> Tensor:
        """Rewards (B,)."""
        return self.rewards(self.batch(rows))

    def rewards(self, batch: PaddedBatch) -> Tensor:
        """The forward pass alone."""
        model, backbone = self.model, self.model.backbone
        hidden_BLD = backbone.model(**batch.inputs, use_cache=False).last_hidden_state
        ids_BL = batch.inputs["input_ids"]
        ends = batch.inputs["attention_mask"].sum(1) - 1
        last_BD = hidden_BLD[torch.arange(len(ids_BL)), ends]
        # Like the reward model, the logits of answers only: the whole (B, L, words) would be an easier goal.
        answers = [hidden_BLD[i, at - 1 : at + n - 1] for i, (at, n) in enumerate(batch.spans)]
        targets = torch.cat([ids_BL[i, at : at + n] for i, (at, n) in enumerate(batch.spans)])
        logits = backbone.lm_head(torch.cat(answers)).float()
        each = logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(1)
        likelihood = torch.stack([part.mean() for part in each.split([n for _, n in batch.spans])])
        weight = backbone.lm_head.weight
        yes = last_BD @ (weight[model.yes_no[0]] - weight[model.yes_no[1]])
        return model.likelihood_scale * likelihood + model.yes_scale * yes + model.head(last_BD)


def bradley_terry(rewards: Tensor) -> Tensor:
    """The loss of pairs that lie side by side, chosen first: (2 B,) to a scalar."""
    return -logsigmoid(rewards[::2] - rewards[1::2]).mean()


def gradients(model: Any, loss: Tensor) -> None:
    """Backward, and gradients dropped: what a step costs without its optimizer."""
    loss.backward()
    model.zero_grad(set_to_none=True)
