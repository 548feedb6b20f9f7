"""Loads any Hugging Face image-text-to-text model and turns conversations about images into its inputs."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils.logging import disable_progress_bar

from vlrm.embedded import tower as _embedded_tower  # noqa: F401  (registers the embedded tower with transformers)
from vlrm.errors import UserError
from vlrm.images import BLANK, blank, open_stored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PIL import Image

    from vlrm.chat import Messages

FEATURES_ONCE = ("llava",)
"""Architectures whose image tokens are one placeholder each and whose positions are plain: features can be shared."""
CACHED_IMAGES = 8192


@dataclass(frozen=True)
class Conversation:
    """Messages about one image; ``image`` is its sha256 in the image store, or ``blank:`` and such a hash."""

    image: str
    messages: Messages


def token_counter(base: str | Path) -> Callable[[Sequence[str]], list[int]] | None:
    """Lengths of texts in tokens of a base model; None where its tokenizer is not to be had (an endpoint's model)."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError):
        return None
    return lambda texts: [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]


class Vlm:
    """A vision-language model with its processor; image features are computed once per image and kept."""

    def __init__(self, model: Any, processor: Any, images: Path) -> None:
        self.model = model
        self.processor = processor
        self.images = images
        self._held: dict[str, Image.Image] = {}
        self._features: OrderedDict[str, Tensor] = OrderedDict()
        self.tokenizer = processor.tokenizer
        self.tokenizer.padding_side = "left"
        self.image_token_id: int = model.config.image_token_id
        added = self.tokenizer.added_tokens_decoder
        self._special = [t.content for i, t in added.items() if t.special or i == self.image_token_id]

    @staticmethod
    def load(folder: str | Path, images: Path, dtype: torch.dtype = torch.float32) -> Vlm:
        """Load a model folder or hub name; ``images`` is the image store. :class:`UserError` when it cannot be."""
        disable_progress_bar()
        try:
            kind = AutoConfig.from_pretrained(str(folder)).model_type
            if kind not in FEATURES_ONCE:  # before any weight is read
                raise UserError(
                    f"the model in {folder} is of type {kind}, whose image tokens the reward model cannot read yet; "
                    f"give base= a model of type {' or '.join(FEATURES_ONCE)} (others can write behind policy.endpoint)"
                )
            processor = AutoProcessor.from_pretrained(str(folder))
            model = AutoModelForImageTextToText.from_pretrained(str(folder), dtype=dtype)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0][:160]
            raise UserError(
                f"no image-text-to-text model could be loaded from {folder} ({reason}); "
                "give base= a model folder with config.json, or a hub name while online"
            ) from error
        if getattr(processor, "chat_template", None) is None:
            raise UserError(f"the model in {folder} has no chat template; give base= an instruction-tuned model")
        model.eval()
        return Vlm(model, processor, images)

    def hold(self, image: Image.Image) -> str:
        """A reference for an image that is in no store; it lives as long as this object's cache does."""
        reference = f"held:{hashlib.sha256(image.tobytes()).hexdigest()}"
        self._held[reference] = image
        return reference

    def open(self, reference: str) -> Image.Image:
        """The image behind a reference; a blank one has the same size and mean colour."""
        if reference.startswith(BLANK):
            return blank(self.open(reference[len(BLANK) :]))
        if reference in self._held:
            return self._held[reference]
        return open_stored(reference, self.images)

    def text(self, messages: Messages, *, reply: bool) -> str:
        """The conversation as text; with ``reply`` it ends where the assistant's next turn begins.

        A question, an answer or a label printed in an image is data: it cannot start a turn or place an image.
        """
        said = [turn | {"content": [self._as_data(part) for part in turn["content"]]} for turn in messages]
        return str(self.processor.apply_chat_template(said, add_generation_prompt=reply, tokenize=False))

    def _as_data(self, part: dict[str, Any]) -> dict[str, Any]:
        text: str | None = part.get("text")
        if text is None:
            return part
        for token in self._special:
            text = text.replace(token, f"{token[:1]} {token[1:]}")
        return part | {"text": text}

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with the image as a single placeholder."""
        return list(self.tokenizer(list(texts), add_special_tokens=False)["input_ids"])

    def features(self, references: Sequence[str]) -> list[Tensor]:
        """Projected features of each image, (T, D) each, computed once per distinct reference."""
        missing = [r for r in dict.fromkeys(references) if r not in self._features]
        for start in range(0, len(missing), 64):
            part = missing[start : start + 64]
            pixels = self.processor.image_processor(images=[self.open(r) for r in part], return_tensors="pt")
            with torch.no_grad():
                found = self.model.get_image_features(pixels["pixel_values"].to(self.model.dtype)).pooler_output
            for reference, feature in zip(part, found, strict=True):
                self._features[reference] = feature.clone()
        kept = [self._features[r] for r in references]
        while len(self._features) > CACHED_IMAGES:
            self._features.popitem(last=False)
        return kept

    def inputs(self, references: Sequence[str], ids: Sequence[list[int]], *, side: str) -> dict[str, Any]:
        """Padded model inputs for token ids that hold one image placeholder each; ``side`` is left or right."""
        features = self.features(references)
        rows = [self._expand(row, len(feature)) for row, feature in zip(ids, features, strict=True)]
        longest = max(map(len, rows))
        tokens = torch.full((len(rows), longest), self.tokenizer.pad_token_id)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        for i, row in enumerate(rows):
            span = slice(longest - len(row), longest) if side == "left" else slice(0, len(row))
            tokens[i, span] = torch.tensor(row)
            mask[i, span] = 1
        shared = BaseModelOutputWithPooling(pooler_output=features)
        return {"input_ids": tokens, "attention_mask": mask, "mm_encoder_outputs": {"image": shared}}

    def _expand(self, ids: list[int], image_tokens: int) -> list[int]:
        at = ids.index(self.image_token_id)
        return ids[:at] + [self.image_token_id] * image_tokens + ids[at + 1 :]
