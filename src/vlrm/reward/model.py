"""The generative reward: response log-likelihood plus yes/no log-odds plus a small head, on one forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vlrm import chat
from vlrm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vlrm.vlm import Vlm

ADAPTER = "reward"


class ModelConfig(BaseModel):
    """What rebuilds a reward model: how it reads and the scales of its terms (a row of METHOD's formula each)."""

    model_config = ConfigDict(extra="forbid")

    base: str
    likelihood_scale: float
    yes_scale: float
    verify_form: int
    readout: str
    critiques: int = 0
    """How many sampled critiques the default score averages over; 0 is the plain reward. Chosen on the gate split."""
    template: str = "auto"
    """How its critic is asked: the setting ``critiques.template`` of the run (:mod:`vlrm.critiques.templates`)."""
    temperature: float = 1.0
    adapter: bool = False
    text_only: bool = False
    """Trained and read without the image's content (every image blank): the text-only floor."""


@dataclass(frozen=True)
class Row:
    """One response to be scored: ``critique`` (verdict line removed) is part of the input when given."""

    image: str
    question: str
    response: str
    critique: str | None = None


HEAD_SEED = 0
"""Of the head's first layer; the last is zero, so it decides no reward before training."""


class Head(nn.Module):
    """Two layers on the last hidden state (B, D) to (B,); the last layer starts at zero, so that it adds nothing."""

    def __init__(self, width: int, hidden: int = 64) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # not the process's random state: round 0 must be the same every time
            torch.manual_seed(HEAD_SEED)
            self.first = nn.Linear(width, hidden)
            self.last = nn.Linear(hidden, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, hidden_BD: Tensor) -> Tensor:
        return self.last(torch.nn.functional.silu(self.first(hidden_BD)))[:, 0]


@dataclass(frozen=True)
class Terms:
    """The three terms of each row, (B,) each: mean log p(response), log-odds of yes, and the head's output."""

    likelihood: Tensor
    yes: Tensor
    head: Tensor


class RewardModel(nn.Module):
    """``r = s_l * mean log p(response | image, question) + s_y * log-odds(yes) + MLP(h)`` (docs/method.md, Reward)."""

    def __init__(self, vlm: Vlm, config: ModelConfig) -> None:
        super().__init__()
        self.vlm = vlm
        self.config = config
        self.backbone = vlm.model
        self.head = Head(vlm.model.config.get_text_config().hidden_size)
        self.likelihood_scale = nn.Parameter(torch.tensor(config.likelihood_scale))
        self.yes_scale = nn.Parameter(torch.tensor(config.yes_scale))
        first = vlm.token_ids([chat.YES, chat.NO])
        self.yes_no = (first[0][0], first[1][0])

    def add_adapter(self, rank: int, alpha: int, targets: Sequence[str], seed: int) -> None:
        """Put a fresh LoRA adapter on the language side; it changes nothing until it is trained."""
        torch.manual_seed(seed)
        self.backbone.add_adapter(
            LoraConfig(r=rank, lora_alpha=alpha, target_modules=language_modules(self.backbone, targets)),
            ADAPTER,
        )
        self.config = self.config.model_copy(update={"adapter": True})

    def terms(self, rows: Sequence[Row], *, form: int | None = None) -> Terms:
        """Score rows in one padded forward pass; a row's terms do not depend on the other rows."""
        segments = [self._segments(row, self.config.verify_form if form is None else form) for row in rows]
        ids = self.vlm.token_ids([text for triple in segments for text in triple])
        triples = [ids[i : i + 3] for i in range(0, len(ids), 3)]
        inputs = self.vlm.inputs([self._image(row) for row in rows], [a + b + c for a, b, c in triples], side="right")
        hidden = self.backbone.model(**inputs, use_cache=False).last_hidden_state
        lengths = inputs["attention_mask"].sum(1)
        last = hidden[torch.arange(len(rows)), lengths - 1]
        extra = [int(n) - sum(map(len, t)) for n, t in zip(lengths, triples, strict=True)]
        return Terms(
            self._likelihood(hidden, inputs["input_ids"], triples, extra),
            self._yes_odds(last).float(),
            self.head(last).float(),
        )

    def forward(self, rows: Sequence[Row]) -> Tensor:
        """Rewards (B,)."""
        terms = self.terms(rows)
        return self.likelihood_scale * terms.likelihood + self.yes_scale * terms.yes + terms.head

    def _image(self, row: Row) -> str:
        return f"blank:{row.image}" if self.config.text_only and not row.image.startswith("blank:") else row.image

    def _segments(self, row: Row, form: int) -> tuple[str, str, str]:
        before = self.vlm.text(chat.ask(row.question), reply=True)
        whole = self.vlm.text(chat.verify(row.question, row.response, row.critique, form), reply=True)
        return before, row.response, whole[len(before) + len(row.response) :]

    def _likelihood(self, hidden: Tensor, ids: Tensor, triples: list[list[list[int]]], extra: list[int]) -> Tensor:
        # Only the response's positions meet the LM head: the logits of a prompt are never formed.
        said = torch.zeros_like(ids, dtype=torch.bool)
        for i, (before, response, _) in enumerate(triples):
            start = len(before) + extra[i]
            said[i, start : start + len(response)] = True
        owner = said.nonzero()[:, 0]
        logits = self.backbone.lm_head(hidden[:, :-1][said[:, 1:]]).float()
        chosen = logits.gather(1, ids[said][:, None])[:, 0] - logits.logsumexp(1)
        counts = said.sum(1).clamp_min(1)
        return torch.zeros(len(triples)).index_add(0, owner, chosen) / counts

    def _yes_odds(self, last_BD: Tensor) -> Tensor:
        weight = self.backbone.lm_head.weight
        return last_BD @ (weight[self.yes_no[0]] - weight[self.yes_no[1]])

    def save(self, folder: Path) -> None:
        """Write adapter, head and configuration as safetensors and JSON; the base model is named, not copied."""
        folder.mkdir(parents=True, exist_ok=True)
        config = self.config.model_copy(
            update={"likelihood_scale": self.likelihood_scale.item(), "yes_scale": self.yes_scale.item()}
        )
        (folder / "reward.json").write_text(config.model_dump_json(indent=2) + "\n")
        save_file(
            {k: v.detach().contiguous() for k, v in self.head.state_dict().items()},
            folder / "head.safetensors",
        )
        if self.config.adapter:
            self.backbone.set_adapter(ADAPTER)
            self.backbone.save_pretrained(str(folder / "adapter"))

    @staticmethod
    def read_config(folder: Path) -> ModelConfig:
        """The configuration of a saved reward model; :class:`UserError` when the folder holds none."""
        path = folder / "reward.json"
        if not path.exists():
            raise UserError(f"{folder} holds no reward model (no reward.json); give a folder that training wrote")
        return ModelConfig.model_validate_json(path.read_text())

    @staticmethod
    def load(folder: Path, vlm: Vlm) -> RewardModel:
        """Rebuild on a freshly loaded base model."""
        config = RewardModel.read_config(folder)
        if config.adapter:
            vlm.model.load_adapter(str(folder / "adapter"), ADAPTER)
        model = RewardModel(vlm, config)
        model.head.load_state_dict(load_file(folder / "head.safetensors"))
        model.eval()
        return model


def language_modules(model: Any, targets: Sequence[str]) -> str:
    """A pattern that matches the named linear layers of the language side only: the tower stays as it is."""
    return rf".*language_model.*\.({'|'.join(targets)})"
