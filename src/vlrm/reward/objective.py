"""The loss of reward-model training as one module, so that whatever wraps it sees every forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from vlrm.images import BLANK
from vlrm.reward.critic import language_loss
from vlrm_kernels.pair_margin import pair_margin_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.reward.batches import MicroBatch
    from vlrm.reward.model import RewardModel
    from vlrm.reward.rows import TrainingPair
    from vlrm.reward.settings import RewardTraining


class PairObjective(nn.Module):
    """Loss = pair margin loss + centring * mean(r^2) + image contrast over quads + language-model loss.

    FSDP, DDP and DeepSpeed gather weights in the forward pass of the module they wrap: rewards and critiques are
    therefore read inside this one.
    """

    def __init__(self, model: RewardModel, settings: RewardTraining) -> None:
        super().__init__()
        self.model = model
        self.settings = settings
        self._no_split_modules = sorted({type(layer).__name__ for layer in _layers(model)})  # what FSDP wraps

    def forward(self, batch: MicroBatch) -> dict[str, Tensor]:
        """``loss``: this micro-batch's part of its step's loss, (); ``chosen``, ``rejected``: rewards (B,)."""
        rewards_B2 = self.model(batch.rows).reshape(len(batch.pairs), 2)
        chosen_B, rejected_B = rewards_B2[:, 0], rewards_B2[:, 1]
        weight_B, margin_B = weights_and_margins(batch.pairs, rewards_B2.device)
        loss = batch.share.weight * pair_margin_loss(chosen_B, rejected_B, weight_B, margin_B)
        loss = loss + batch.share.rewards * self.settings.centring * rewards_B2.square().mean()
        if self.settings.image_contrast > 0:
            contrast = image_contrast(batch.pairs, chosen_B, rejected_B)
            if contrast is not None:
                loss = loss + batch.share.contrast * self.settings.image_contrast * contrast
        if batch.targets:
            said = language_loss(self.model.vlm, batch.targets)
            loss = loss + batch.share.language * self.settings.language_model * said
        return {"loss": loss, "chosen": chosen_B.detach(), "rejected": rejected_B.detach()}

    def look(self, batch: MicroBatch) -> None:
        """Compute the features of the batch's images, outside of what is sharded and cast.

        One image at a time: in a batch of others its features may differ in the last bit, and a training that is
        resumed meets the images in other batches than the one that is not.
        """
        images = [row.image for row in batch.rows]
        if self.model.config.text_only:
            images = [one if one is None or one.startswith(BLANK) else BLANK + one for one in images]
        for image in dict.fromkeys([*images, *(target.image for target in batch.targets)]):
            self.model.vlm.look([image])


def weights_and_margins(pairs: Sequence[TrainingPair], device: torch.device) -> tuple[Tensor, Tensor]:
    """What the pair margin loss takes beside rewards, (B,) each."""
    made = torch.tensor([(pair.weight, pair.margin) for pair in pairs], device=device)
    return made[:, 0], made[:, 1]


def image_contrast(batch: Sequence[TrainingPair], chosen_B: Tensor, rejected_B: Tensor) -> Tensor | None:
    """Mean softplus(r(other image, y) - r(image, y)) over both answers of every whole quad in the batch."""
    seen: dict[str, int] = {}
    terms = []
    for j, pair in enumerate(batch):
        if pair.quad is None:
            continue
        i = seen.setdefault(pair.quad, j)
        if i != j:
            terms += [rejected_B[j] - chosen_B[i], rejected_B[i] - chosen_B[j]]
    return softplus(torch.stack(terms)).mean() if terms else None


def _layers(model: RewardModel) -> list[nn.Module]:
    """The decoder layers of the language side."""
    return list(model.backbone.get_decoder().layers)
