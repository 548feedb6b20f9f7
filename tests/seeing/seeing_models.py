"""A tiny random language model that sees through an expert which needs no package: what hue stands where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from vlrm import chat
from vlrm.experts.config import ExpertConfig
from vlrm.schema import Evidence
from vlrm.seeing.config import Seeing, write_seeing
from vlrm.seeing.smollm2 import CHAT_TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL import Image

TEXTS = ["In the picture, surely: red star (left), 2 balls (top right). What is in the image? Yes No"]
NOUNS = ("star", "ball", "ring")


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: int = 1


class Hues:
    """Reports a noun for each channel that a quarter of the image is bright in, and counts how many images it saw."""

    name = "hues"
    settings_type = Settings
    labels = NOUNS
    looked = 0

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.fingerprint = f"hues {self.settings.version}"

    def annotate(self, images: Sequence[Image.Image], found: Sequence[list[Evidence]]) -> list[list[Evidence]]:
        type(self).looked += len(images)
        return [self._one(np.asarray(image) / 255) for image in images]

    def _one(self, pixels_HWC: np.ndarray) -> list[Evidence]:
        found = []
        for row, band in enumerate(np.array_split(pixels_HWC, 2)):
            for column, part in enumerate(np.array_split(band, 2, axis=1)):
                for channel, noun in enumerate(NOUNS):
                    score = round(float(part[..., channel].mean()), 4)
                    if score > 0.02:
                        box = (column / 2, row / 2, (column + 1) / 2, (row + 1) / 2)
                        name = f"d{len(found) + 1}"
                        found.append(Evidence(name, "object", noun, box, score, self.name, self.fingerprint))
        return found


def tokenizer() -> Any:
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator([chat.CRITICISE, *chat.VERIFY, *TEXTS] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token=special[0], eos_token=special[2], bos_token=special[1],
        chat_template=CHAT_TEMPLATE,
    )  # fmt: skip


def write(folder: Path, **seeing: Any) -> Path:
    """A model folder as the set-up writes one."""
    words = tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=len(words), tie_word_embeddings=True, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() > 1 and "embed" not in name:  # large enough that tokens matter to each other
                value.mul_(4)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    write_seeing(Seeing(experts=[ExpertConfig(name="seeing_models:Hues")], **seeing), folder)
    return folder
