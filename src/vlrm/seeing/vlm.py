"""A language model that sees through experts, behind the same interface as a vision-language model."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from vlrm.errors import UserError
from vlrm.families import reader_family
from vlrm.images import whole
from vlrm.schema import seen_objects
from vlrm.seeing import prefix
from vlrm.seeing.config import read_seeing, write_seeing
from vlrm.seeing.looking import Looking
from vlrm.seen import Seen, SeenImages
from vlrm.vlm import HELD, LOOK, Vlm, place_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vlrm.schema import Evidence, SeenObject
    from vlrm.seeing.config import Seeing

logger = logging.getLogger(__name__)
IMAGE = "<image>"
"""Stands for the evidence in a rendered conversation; it is no token and is always replaced."""


class EvidenceProcessor:
    """What stands where a vision-language model has its processor: tokenizer, chat template, and the eyes."""

    image_token = IMAGE

    def __init__(self, tokenizer: Any, seeing: Seeing) -> None:
        self.tokenizer = tokenizer
        self.seeing = seeing

    @property
    def chat_template(self) -> Any:
        return self.tokenizer.chat_template

    @chat_template.setter
    def chat_template(self, template: str) -> None:
        self.tokenizer.chat_template = template

    def apply_chat_template(self, messages: Any, **how: Any) -> Any:
        return self.tokenizer.apply_chat_template(messages, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the tokenizer and ``seeing.json``, which is all that a model folder needs beside its weights."""
        self.tokenizer.save_pretrained(str(folder))
        write_seeing(self.seeing, folder)


class EvidenceVlm(Vlm):
    """A causal language model whose image tokens are the experts' evidence, written as text (:mod:`.prefix`).

    There are no features: a photo is a prefix of ordinary tokens, so batches, sampling, training and scoring handle it
    as they do a question's words. A reference ``partial:SEED:IMAGE`` is the image as one who looks badly has it.
    """

    def __init__(
        self,
        model: Any,
        processor: EvidenceProcessor,
        images: Path,
        features: Path | None = None,
        max_pixels: int | None = None,
    ) -> None:
        super().__init__(
            model, processor, images, features, max_pixels, family=reader_family(model.config, "this folder")
        )
        self.seeing = processor.seeing
        self.looking = Looking(self.seeing, features, "" if max_pixels is None else f"within {max_pixels} pixels")

    @staticmethod
    def load(
        folder: str | Path,
        images: Path,
        dtype: torch.dtype = torch.float32,
        features: Path | None = None,
        *,
        device: torch.device | str = "cpu",
        max_pixels: int | None = None,
    ) -> EvidenceVlm:
        """Load a model folder that holds a ``seeing.json``; the arguments are those of :meth:`Vlm.load`.

        Raises:
            UserError: there is no model, or none of a known family, it has no chat template, or an expert is missing.
        """
        disable_progress_bar()
        seeing = read_seeing(folder)
        try:
            reader_family(AutoConfig.from_pretrained(str(folder)), folder)
            tokenizer = AutoTokenizer.from_pretrained(str(folder))
            model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype, device_map=place_weights(device))
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0][:160]
            raise UserError(
                f"no language model could be loaded from {folder} ({reason}); delete the folder and it is set up again"
            ) from error
        if tokenizer.chat_template is None or tokenizer.pad_token_id is None:
            raise UserError(f"the model in {folder} lacks a chat template or a padding token; give an instruct model")
        model.eval()
        return EvidenceVlm(model, EvidenceProcessor(tokenizer, seeing), images, features, max_pixels)

    @cached_property
    def seen(self) -> SeenImages:
        """Texts written so far: in memory only, since evidence is what is kept on disk."""
        return SeenImages()

    @property
    def sees(self) -> dict[str, Any]:
        """The experts, how their evidence is written, and their fingerprints."""
        return self.looking.manifest(self.seeing)

    def check_sees(self, recorded: dict[str, Any] | None, where: object) -> None:
        """Refuse a model that was trained with other eyes; changed code or libraries of an expert are a warning."""
        own = self.sees
        if recorded is None:
            raise UserError(f"the model in {where} was trained without experts to see through: give its own base model")
        changed = sorted(key for key in own.keys() - {"fingerprints"} if own[key] != recorded.get(key))
        if changed:
            raise UserError(
                f"the model in {where} was trained with other eyes than its base model now has ({', '.join(changed)} "
                "in seeing.json differ): put back what reward.json says under sees"
            )
        others = [name for name, one in own["fingerprints"].items() if recorded["fingerprints"].get(name) != one]
        if others:
            logger.warning(
                "the code, weights or libraries of %s have changed since %s was trained, so it may read an image "
                "otherwise than it learned to", " and ".join(others), where,
            )  # fmt: skip

    def objects(self, references: Sequence[str]) -> list[list[SeenObject]]:
        """What the experts see in each image, seen whole."""
        names = [whole(reference)[1] for reference in references]
        return [seen_objects(found) for found in self._found(names)]

    def looked_at(self, reference: str) -> str:
        """The reference itself: a partial look is another one."""
        return reference

    @property
    def _together(self) -> int:
        return LOOK  # experts keep what they find themselves

    def _look(self, references: Sequence[str]) -> list[Seen]:
        split = [whole(reference) for reference in references]
        found = self._found([name for _, name in split])
        return [
            Seen(self._written(evidence, seed, name), torch.empty(0, 0))
            for (seed, name), evidence in zip(split, found, strict=True)
        ]

    def _found(self, names: Sequence[str]) -> list[list[Evidence]]:
        return self.looking.evidence(names, self.open, lambda name: HELD not in name)

    def _written(self, evidence: Sequence[Evidence], seed: str | None, name: str) -> str:
        if seed is not None:
            evidence = prefix.partial(
                evidence, f"{seed} {name}", self.looking.labels,
                dropout=self.seeing.dropout, noise=self.seeing.noise, fading=self.seeing.fading,
            )  # fmt: skip
        return self.data(prefix.write(evidence, self._count, self.seeing.tokens))

    def _count(self, text: str) -> int:
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])
