"""Two steps on given micro-batches, by this process or by several together: ``FOLDER OUT ACCUMULATION``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.distributed.tensor import DTensor
from training_cases import pairs_about, reward_model, settings, targets

from vlrm.reward.batches import MicroBatch, Share
from vlrm.reward.checkpoints import weights_of
from vlrm.reward.learning import frozen_side, make_trainable
from vlrm.reward.model import Row
from vlrm.reward.objective import PairObjective
from vlrm.reward.trainer import RewardTrainer, arguments


class Given(torch.utils.data.Dataset):
    """Two steps, each of one micro-batch with images and one without, in the order of the processes that read them."""

    steps = 2

    def __init__(self, images: list[str]) -> None:
        self.items = []
        for step in range(2):
            for shown in (images, [None] * 3):
                pairs = pairs_about(shown, single=1 + step, quads=0)
                rows = [Row(p.image, p.question, text) for p in pairs for text in (p.chosen, p.rejected)]
                self.items.append(MicroBatch(pairs, rows, targets(images)[:1], Share(0.5, 0.5, 0.5, 0.5)))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> MicroBatch:
        return self.items[number]


def main(folder: Path, out: Path, accumulation: int) -> None:
    torch.set_num_threads(1)
    chosen = settings(accumulation=accumulation, reference=True)  # the pass without adapters is sharded too
    model = reward_model(folder / "base", folder / "images")
    make_trainable(model, chosen, 0)
    objective = PairObjective(model, chosen)
    logs = []
    given = Given(sorted(json.loads((folder / "images.json").read_text())))
    trainer = RewardTrainer(objective, given, arguments(chosen, folder / "out", 0, torch.device("cpu")), logs.append)
    trainer.fit()
    learning = [p for p in objective.parameters() if p.requires_grad]
    frozen = [p for module in frozen_side(model) for p in module.parameters()]
    facts = {
        "losses": [log.loss for log in logs],
        "sharded": sum(isinstance(p, DTensor) for p in learning) / len(learning),
        "base_sharded": isinstance(model.backbone.get_decoder().layers[0].mlp.up_proj.base_layer.weight, DTensor),
        "tower_sharded": any(isinstance(p, DTensor) for p in frozen),
    }
    weights = weights_of(objective)
    if trainer.is_world_process_zero():
        save_file(weights, out)
        out.with_suffix(".json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
