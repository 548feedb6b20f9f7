"""Loads any Hugging Face image-text-to-text model and turns conversations about images into its inputs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils.logging import disable_progress_bar

from vlrm.embedded import tower as _embedded_tower  # noqa: F401  (registers the embedded tower with transformers)
from vlrm.errors import UserError
from vlrm.families import Family, family_of
from vlrm.images import BLANK, blank, open_stored, whole, within
from vlrm.seeing.config import sees_through_experts
from vlrm.seeing.smollm2 import set_up
from vlrm.seen import Seen, SeenImages, fingerprint
from vlrm.tower import see

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PIL import Image

    from vlrm.chat import Messages

HELD = "held:"
"""Prefix of a reference to an image that is in no store."""
LOOK = 64
"""Images that a tower looks at together."""
NO_TOKEN = -1
"""The image token of a model that has none."""


@dataclass(frozen=True)
class Conversation:
    """Messages about one image; ``image`` is its sha256 in the image store, or ``blank:`` or ``partial:SEED:`` and it.

    None where the messages are about no image and show none.
    """

    image: str | None
    messages: Messages


def token_counter(base: str | Path) -> Callable[[Sequence[str]], list[int]] | None:
    """Lengths of texts in tokens of a base model; None where its tokenizer is not to be had (an endpoint's model)."""
    set_up(base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError):
        return None
    return lambda texts: [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]


class Vlm:
    """A vision-language model with its processor; an image is looked at once and its features kept."""

    def __init__(
        self,
        model: Any,
        processor: Any,
        images: Path,
        features: Path | None = None,
        max_pixels: int | None = None,
        *,
        family: Family | None = None,
    ) -> None:
        self.model = model
        self.processor = processor
        self.images = images
        self.max_pixels = max_pixels
        self.family = family or family_of(model.config, model.config.name_or_path)
        self.tokenizer = processor.tokenizer
        self.tokenizer.padding_side = "left"
        self.image_token_id: int = getattr(model.config, "image_token_id", NO_TOKEN)
        self._held: dict[str, Image.Image] = {}
        self._features = features
        added = self.tokenizer.added_tokens_decoder
        self.placeholder: str = processor.image_token
        special = [t.content for i, t in added.items() if t.special or i == self.image_token_id]
        self._special = list(dict.fromkeys([*special, self.placeholder]))

    @staticmethod
    def load(
        folder: str | Path,
        images: Path,
        dtype: torch.dtype = torch.float32,
        features: Path | None = None,
        *,
        device: torch.device | str = "cpu",
        max_pixels: int | None = None,
    ) -> Vlm:
        """Load a model folder or hub name; ``images`` is the image store, ``features`` where to keep image features.

        Images of more than ``max_pixels`` are scaled down before the processor sees them. A folder with a
        ``seeing.json`` is a language model that sees through experts (:mod:`vlrm.seeing`).

        Raises:
            UserError: there is no model, or none of a known family, or it has no chat template.
        """
        set_up(folder)
        if sees_through_experts(folder):
            from vlrm.seeing.vlm import EvidenceVlm

            return EvidenceVlm.load(folder, images, dtype, features, device=device, max_pixels=max_pixels)
        disable_progress_bar()
        try:
            family_of(AutoConfig.from_pretrained(str(folder)), folder)  # before any weight is read
            processor = AutoProcessor.from_pretrained(str(folder))
            place = place_weights(device)
            model = AutoModelForImageTextToText.from_pretrained(str(folder), dtype=dtype, device_map=place)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0][:160]
            raise UserError(
                f"no image-text-to-text model could be loaded from {folder} ({reason}); "
                "give base= a model folder with config.json, or a hub name while online"
            ) from error
        if getattr(processor, "chat_template", None) is None:
            raise UserError(f"the model in {folder} has no chat template; give base= an instruction-tuned model")
        model.eval()
        return Vlm(model, processor, images, features, max_pixels)

    @cached_property
    def seen(self) -> SeenImages:
        """The features of images looked at so far."""
        if self._features is None:
            return SeenImages()
        decoder = self.model.get_decoder()
        tower = (child for child in self.model.model.children() if child is not decoder)
        how = self.processor.image_processor.to_json_string()
        budget = () if self.max_pixels is None else (f"at most {self.max_pixels} pixels",)
        return SeenImages(self._features, fingerprint(tower, how, str(self.model.dtype), *budget))

    @property
    def sees(self) -> dict[str, Any] | None:
        """What a reward model records of the experts that its base sees through; None where it takes pixels itself."""
        return None

    def check_sees(self, recorded: dict[str, Any] | None, where: object) -> None:
        """Refuse a reward model that was trained with other eyes than these.

        Raises:
            UserError: ``recorded`` is not what :attr:`sees` says.
        """
        if recorded is not None:
            raise UserError(
                f"the model in {where} was trained on a base that sees through experts, and is opened on one that "
                "takes pixels: give its own base model"
            )

    def hold(self, image: Image.Image) -> str:
        """A reference for an image that is in no store, good until it is released."""
        image = self._within(image)
        reference = f"{HELD}{hashlib.sha256(f'{image.size}'.encode() + image.tobytes()).hexdigest()}"
        self._held[reference] = image
        return reference

    def release(self, reference: str | None) -> None:
        """Let go of a held image; its features stay as long as there is room for them."""
        self._held.pop(reference or "", None)

    def open(self, reference: str) -> Image.Image:
        """The image behind a reference, within the pixel budget; a blank one has the same size and mean colour."""
        reference = whole(reference)[1]
        if reference.startswith(BLANK):
            return blank(self.open(reference[len(BLANK) :]))
        if reference in self._held:
            return self._held[reference]
        return self._within(open_stored(reference, self.images))

    def _within(self, image: Image.Image) -> Image.Image:
        return image if self.max_pixels is None else within(image, self.max_pixels)

    def text(self, messages: Messages, *, reply: bool) -> str:
        """The conversation as text; with ``reply`` it ends where the assistant's next turn begins.

        A question, an answer or a label printed in an image is data: it cannot start a turn or place an image.
        """
        said = [
            turn | {"content": [p | {"text": self.data(p["text"])} if "text" in p else p for p in turn["content"]]}
            for turn in messages
        ]
        return str(self.processor.apply_chat_template(said, add_generation_prompt=reply, tokenize=False))

    def data(self, text: str) -> str:
        """What users, models or images say, with no special token of the model in it."""
        for token in self._special:
            text = text.replace(token, f"{token[:1]} {token[1:]}")
        return text

    def token_ids(self, texts: Sequence[str], images: Sequence[str | None] | None = None) -> list[list[int]]:
        """Token ids of texts; of the conversations about ``images`` with their placeholders filled, if given."""
        if images is not None:
            texts = self.filled(texts, images)
        return list(self.tokenizer(list(texts), add_special_tokens=False)["input_ids"])

    def filled(self, texts: Sequence[str], images: Sequence[str | None]) -> list[str]:
        """The conversations about ``images`` with what stands for each in place of its placeholder."""
        return [
            text if one is None else text.replace(self.placeholder, one.text, 1)
            for text, one in zip(texts, self.look(images), strict=True)
        ]

    @torch.no_grad()
    def look(self, references: Sequence[str | None]) -> list[Seen | None]:
        """What the tower makes of each image, None for none; every image is looked at once."""
        references = [None if one is None else self.looked_at(one) for one in references]
        named = [reference for reference in dict.fromkeys(references) if reference is not None]
        found = {reference: self.seen.get(reference) for reference in named}
        missing = [reference for reference in named if found[reference] is None]
        together = self._together
        for start in range(0, len(missing), together):
            part = missing[start : start + together]
            for reference, seen in zip(part, self._look(part), strict=True):
                found[reference] = seen
                self.seen.put(reference, seen)
        return [None if reference is None else found[reference] for reference in references]

    @property
    def _together(self) -> int:
        """Images of one forward pass. In a batch of others an image's features may differ in the last bit: those kept
        for other processes are made alone, or a result would depend on who looks first. A GPU would wait for that."""
        return 1 if self._features is not None and self.model.device.type == "cpu" else LOOK

    def looked_at(self, reference: str) -> str:
        """The reference under which an image is looked at: a tower sees it whole, whatever is asked."""
        return whole(reference)[1]

    def _look(self, references: Sequence[str]) -> list[Seen]:
        return see(self, references)

    def vision(self, seen: Sequence[Seen | None]) -> dict[str, Any]:
        """Model inputs for the images in a batch, in the order of their tokens."""
        there = [one for one in seen if one is not None and len(one.features)]
        if not there:
            return {}
        device = self.model.device
        features = [one.features.to(device) for one in there]
        output = BaseModelOutputWithPooling(pooler_output=features if self.family.listed else torch.cat(features))
        if there[0].deep:
            output.deepstack_features = [[one.deep[i].to(device) for one in there] for i in range(len(there[0].deep))]
        return {"mm_encoder_outputs": {"image": output}}

    def positions(self, ids: list[int], seen: Seen | None) -> Tensor:
        """Where the tokens of a conversation's beginning stand: (axes, L). What follows goes on at the largest + 1."""
        plain = torch.arange(len(ids)).expand(self.family.axes, -1)
        if seen is None or self.family.axes == 1:
            return plain
        row = torch.tensor([ids])
        found, _ = self.model.model.get_rope_index(
            row, mm_token_type_ids=(row == self.image_token_id).int(), image_grid_thw=torch.tensor([seen.grid])
        )
        return found[:, 0]

    def inputs(self, references: Sequence[str | None], ids: Sequence[list[int]], *, side: str) -> dict[str, Any]:
        """Padded model inputs for token ids with their placeholders filled; ``side`` is left or right."""
        seen = self.look(references)
        longest = max(map(len, ids))
        tokens = torch.full((len(ids), longest), self.tokenizer.pad_token_id)
        mask = torch.zeros(len(ids), longest, dtype=torch.long)
        for i, row in enumerate(ids):
            span = slice(longest - len(row), longest) if side == "left" else slice(0, len(row))
            tokens[i, span] = torch.tensor(row)
            mask[i, span] = 1
        inputs = {"input_ids": tokens, "attention_mask": mask}
        if self.family.types is not None:
            inputs[self.family.types] = ((tokens == self.image_token_id) & mask.bool()).int()
        grids = [one.grid for one in seen if one is not None and one.grid is not None]
        if grids:
            inputs["image_grid_thw"] = torch.tensor(grids)
        device = self.model.device
        return {name: value.to(device) for name, value in inputs.items()} | self.vision(seen)


def place_weights(device: torch.device | str) -> dict[str, torch.device] | None:
    """Where weights are read to; None is transformers' own way on a CPU."""
    place = torch.device(device)
    return None if place.type == "cpu" else {"": place}
