"""The generative reward: response log-likelihood plus yes/no log-odds plus a small head, on one forward pass."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import cast_adapter_dtype
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vlrm import chat
from vlrm.devices import Precision
from vlrm.errors import UserError
from vlrm.families import Layout, best_layout
from vlrm.images import BLANK
from vlrm.policy.protocol import Sampling
from vlrm.reward.adapters import adapters_off, language_modules, load_adapter, softcap
from vlrm.reward.attention import SEGMENTS
from vlrm.reward.head import Head
from vlrm.reward.layout import Batch, Branch, Tree, lay
from vlrm_kernels.lm_head import sequence_logprob

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vlrm.vlm import Vlm

logger = logging.getLogger(__name__)
ADAPTER = "reward"
LANGUAGE = "language.safetensors"
Mode = Literal["lora", "qlora", "full"]


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
    sampling: Sampling | None = Field(default=None, exclude_if=lambda sampling: sampling is None)
    """How its critiques are drawn: the setting ``critiques.sampling`` that training and exam had."""
    temperature: float = 1.0
    adapter: bool = False
    text_only: bool = False
    """Trained and read without the image's content (every image blank): the text-only floor."""
    dtype: Precision = Field(default="float32", exclude_if=lambda dtype: dtype == "float32")
    """Of the base's weights when it was trained; head and scales are float32 always."""
    max_pixels: int | None = Field(default=None, exclude_if=lambda pixels: pixels is None)
    """Larger images are scaled down before the base sees them."""
    mode: Mode = Field(default="lora", exclude_if=lambda mode: mode == "lora")
    """What was trained: an adapter, one on the base in 4 bits, or the whole language side."""
    reference: bool = Field(default=False, exclude_if=lambda reference: not reference)
    """The likelihood counts less the base's: DPO's implicit reward (2305.18290), how far training has changed it."""
    by_claim: float = Field(default=0.0, exclude_if=lambda scale: scale == 0)
    """How much of :mod:`vlrm.reward.by_claim` scoring adds to the reward; training leaves it out."""
    sees: dict[str, Any] | None = Field(default=None, exclude_if=lambda sees: sees is None)
    """The experts that its base sees through, how their evidence is written, and their fingerprints."""


@dataclass(frozen=True)
class Row:
    """One response to be scored: ``critique`` (verdict line removed) is part of the input when given.

    ``image`` is a reference that the model's :class:`Vlm` opens, or None where the question is about no image.
    """

    image: str | None
    question: str
    response: str
    critique: str | None = None


@dataclass(frozen=True)
class Terms:
    """The three terms of each row, (B,) each: mean log p(response), with ``ModelConfig.reference`` less the base's,
    log-odds of yes, and the head's output.

    ``hidden`` (B, D) is the last hidden state, of which the last two are made.
    """

    likelihood: Tensor
    yes: Tensor
    head: Tensor
    hidden: Tensor


class RewardModel(nn.Module):
    """``r = s_l * mean log p(response | image, question) + s_y * log-odds(yes) + MLP(h)`` (docs/method.md, Reward)."""

    def __init__(self, vlm: Vlm, config: ModelConfig) -> None:
        super().__init__()
        self.vlm = vlm
        self.config = config
        self.backbone = vlm.model
        device = vlm.model.device
        self.head = Head(vlm.model.config.get_text_config().hidden_size).to(device)
        self.likelihood_scale = nn.Parameter(torch.tensor(config.likelihood_scale, device=device))
        self.yes_scale = nn.Parameter(torch.tensor(config.yes_scale, device=device))
        self.layout, why = best_layout(vlm.model.config)
        if why:
            _said(vlm.model.config.model_type, self.layout, why)
        if self.layout is Layout.PACKED:
            inner = vlm.model.config.get_text_config() is not vlm.model.config
            vlm.model.set_attn_implementation({"text_config": SEGMENTS} if inner else SEGMENTS)
        first = vlm.token_ids([chat.YES, chat.NO])
        self.yes_no = (first[0][0], first[1][0])

    def add_adapter(self, rank: int, alpha: int, targets: Sequence[str], seed: int) -> None:
        """Put a fresh LoRA adapter on the language side; it changes nothing until it is trained."""
        torch.manual_seed(seed)
        self.backbone.add_adapter(
            LoraConfig(r=rank, lora_alpha=alpha, target_modules=language_modules(self.backbone, targets)),
            ADAPTER,
        )
        cast_adapter_dtype(self.backbone, ADAPTER)  # to float32: in bfloat16 a small step is rounded away
        self.config = self.config.model_copy(update={"adapter": True})

    def terms(self, rows: Sequence[Row], *, form: int | None = None) -> Terms:
        """Score rows in one forward pass that reads each image and question once.

        A row's terms do not depend on the other rows, nor on :attr:`layout`.
        """
        trees, order = self._trees(rows, self.config.verify_form if form is None else form)
        batch = lay(trees, self.vlm, self.layout)
        hidden_TD = self.backbone.model(**batch.inputs).last_hidden_state.flatten(0, 1)
        last_RD = hidden_TD[batch.last_R]
        likelihood_R = self._likelihood(hidden_TD, batch, len(rows))
        if self.config.reference:
            likelihood_R = likelihood_R - self._base_likelihood(trees, len(rows))
        back = torch.tensor(order, device=last_RD.device).argsort()
        last_BD = last_RD[back]
        return Terms(likelihood_R[back], self._yes_odds(last_BD).float(), self.head(last_BD).float(), last_BD)

    def forward(self, rows: Sequence[Row]) -> Tensor:
        """Rewards (B,)."""
        return self.combined(self.terms(rows))

    def combined(self, terms: Terms) -> Tensor:
        """The reward (B,) of its terms."""
        return self.likelihood_scale * terms.likelihood + self.yes_scale * terms.yes + terms.head

    def lengths(self, rows: Sequence[Row]) -> list[int]:
        """Tokens of each row with its prompt's, as long as the row has in the padded layout."""
        trees, order = self._trees(rows, self.config.verify_form)
        found = [len(tree.prefix) + len(branch) for tree in trees for branch in tree.branches]
        return [length for _, length in sorted(zip(order, found, strict=True))]

    def _trees(self, rows: Sequence[Row], form: int) -> tuple[list[Tree], list[int]]:
        """Rows by image and question, and the number of the row behind each branch."""
        groups: dict[tuple[str | None, str], list[int]] = {}
        for number, row in enumerate(rows):
            groups.setdefault((self._image(row), row.question), []).append(number)
        befores = [self._before(image, question) for image, question in groups]
        images = [image for image, _ in groups]
        prefixes, seen = self.vlm.token_ids(befores, images), self.vlm.look(images)
        texts: list[str] = []
        for before, numbers in zip(befores, groups.values(), strict=True):
            for row in (rows[i] for i in numbers):
                texts += self._continued(row, before, form)
        ids = iter(self.vlm.token_ids(texts))
        trees = [
            Tree(one, prefix, [Branch(next(ids), next(ids)) for _ in numbers])
            for one, prefix, numbers in zip(seen, prefixes, groups.values(), strict=True)
        ]
        return trees, [i for numbers in groups.values() for i in numbers]

    def _continued(self, row: Row, before: str, form: int) -> tuple[str, str]:
        """The response, and what asks whether it is right, as they follow the prompt in the model's conversation."""
        messages = chat.verify(row.question, row.response, row.critique, form, image=row.image is not None)
        whole, response = self.vlm.text(messages, reply=True), self.vlm.data(row.response)
        for said in (response, response.strip()):  # some templates trim what is said
            if whole.startswith(before + said):
                return said, whole[len(before) + len(said) :]
        raise UserError(
            f"the chat template of {self.config.base} does not repeat a prompt and its answer word by word in "
            "the turns that follow, so answers cannot be read after a shared prompt; give base= a plainer one"
        )

    def _image(self, row: Row) -> str | None:
        if row.image is None or not self.config.text_only or row.image.startswith(BLANK):
            return row.image
        return BLANK + row.image

    def _before(self, image: str | None, question: str) -> str:
        return self.vlm.text(chat.ask(question, image=image is not None), reply=True)

    def _likelihood(self, hidden_TD: Tensor, batch: Batch, rows: int) -> Tensor:
        # Only the responses' positions meet the LM head, some at a time: the logits of a batch never exist.
        head = self.backbone.lm_head
        hidden_ND = hidden_TD[batch.source_N]
        return sequence_logprob(
            hidden_ND, head.weight, batch.target_N, batch.owner_N, rows, mean=True, bias=head.bias,
            softcap=softcap(self.backbone.config),
        )  # fmt: skip

    @torch.no_grad()
    def _base_likelihood(self, trees: Sequence[Tree], rows: int) -> Tensor:
        """The same of the base model alone: how usual a wording is, whatever the image shows."""
        batch = lay([tree.without_asking() for tree in trees], self.vlm, self.layout)
        with adapters_off(self.backbone):
            hidden_TD = self.backbone.model(**batch.inputs).last_hidden_state.flatten(0, 1)
        return self._likelihood(hidden_TD, batch, rows)

    def _yes_odds(self, last_BD: Tensor) -> Tensor:
        weight = self.backbone.lm_head.weight
        # In float32: the difference of two rows of a bfloat16 head is mostly rounding.
        return last_BD.float() @ (weight[self.yes_no[0]].float() - weight[self.yes_no[1]].float())

    def save(self, folder: Path) -> None:
        """Write adapter, head and configuration as safetensors and JSON; the base model is named, not copied."""
        folder.mkdir(parents=True, exist_ok=True)
        config = self.config.model_copy(
            update={
                "likelihood_scale": self.likelihood_scale.item(), "yes_scale": self.yes_scale.item(),
                "dtype": str(self.backbone.dtype).removeprefix("torch."), "max_pixels": self.vlm.max_pixels,
                "sees": self.vlm.sees,
            }
        )  # fmt: skip
        (folder / "reward.json").write_text(config.model_dump_json(indent=2) + "\n")
        save_file(
            {k: v.detach().contiguous() for k, v in self.head.state_dict().items()},
            folder / "head.safetensors",
        )
        if self.config.adapter:
            self.backbone.set_adapter(ADAPTER)
            self.backbone.save_pretrained(str(folder / "adapter"))
        if self.config.mode == "full":
            save_file({name: p.detach().contiguous() for name, p in self._language().items()}, folder / LANGUAGE)

    def _language(self) -> dict[str, Tensor]:
        """The weights of the language side by name, tied ones once."""
        sides = (self.backbone.get_decoder(), self.backbone.lm_head)
        inside = {id(p) for side in sides for p in side.parameters()}
        return {name: p for name, p in self.backbone.named_parameters() if id(p) in inside}

    @staticmethod
    def read_config(folder: Path) -> ModelConfig:
        """The configuration of a saved reward model; :class:`UserError` when the folder holds none."""
        path = folder / "reward.json"
        if not path.exists():
            raise UserError(f"{folder} holds no reward model (no reward.json); give a folder that training wrote")
        return ModelConfig.model_validate_json(path.read_text())

    @staticmethod
    def load(folder: Path, vlm: Vlm) -> RewardModel:
        """Rebuild on a freshly loaded base model; :class:`UserError` where that one has other eyes."""
        config = RewardModel.read_config(folder)
        if config.max_pixels != vlm.max_pixels:
            raise UserError(
                f"the reward model in {folder} was trained with max_pixels={config.max_pixels}, its base model is open "
                f"with max_pixels={vlm.max_pixels}: give Vlm.load the same budget, or use Scorer.load"
            )
        vlm.check_sees(config.sees, folder)
        if config.mode == "qlora":
            from vlrm.reward.learning import quantise

            quantise(vlm.model)
        if config.adapter:
            load_adapter(vlm.model, folder / "adapter", ADAPTER, merge=not config.reference)
        model = RewardModel(vlm, config)
        model.head.load_state_dict(load_file(folder / "head.safetensors"))
        if config.mode == "full":
            trained = load_file(folder / LANGUAGE)
            if trained.keys() != model._language().keys():
                raise UserError(f"{folder / LANGUAGE} is of another architecture than {config.base}: give its own base")
            model.backbone.load_state_dict(trained, strict=False)
        model.eval()
        return model


@cache
def _said(kind: str, layout: Layout, why: str) -> None:
    loud = logger.warning if layout is Layout.PADDED else logger.info
    loud("reward model of type %s: %s batches, since %s", kind, layout, why)
