"""Any sequence classifier of transformers as a judge: a reward head on a vision-language or a text model.

Other people's reward models of one output, exports of ours, and classifiers of two labels, of which the second is
taken for good: their reward is its log-odds.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
from transformers.utils.logging import disable_progress_bar

from vlrm import chat
from vlrm.devices import device_of, dtype_of
from vlrm.embedded import tower as _embedded_tower  # noqa: F401  (registers the embedded tower with transformers)
from vlrm.errors import UserError
from vlrm.evaluation.judges.fingerprints import fingerprint, weights_of
from vlrm.evaluation.judges.protocol import Judgement
from vlrm.evaluation.judges.scalar import by_reward
from vlrm.images import RefusedImage, within
from vlrm.reward.classifier import classifier_class, native_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image

    from vlrm.devices import PrecisionOrAuto
    from vlrm.evaluation.benchmarks.item import Item

BATCH = 16
"""Answers a forward pass reads."""
LOG_ODDS_LABELS = 2
_NO_LIMIT = 10**6
"""What tokenizers that know no longest text say is above this."""


class ClassifierJudge:
    """``base``: a folder or hub name. Processor and settings are read at once, weights when it first judges.

    The conversation of question and answer is rendered by its chat template; a text model without one reads them as a
    pair of texts. A text model sees no image, and its judgements are the same under every view.

    Raises:
        UserError: there is no classifier there, or one with more than two labels, or some of its weights are missing
            (a base model would be given a head of random numbers).
    """

    ordered = False

    def __init__(
        self, base: str, dtype: PrecisionOrAuto = "float32", device: str = "cpu", max_pixels: int | None = None
    ) -> None:
        self.base, self.name = base, f"classifier:{base}"
        self.dtype, self.device, self.max_pixels = dtype, device, max_pixels
        disable_progress_bar()
        try:
            self.config: Any = AutoConfig.from_pretrained(base)
            self.processor: Any = AutoProcessor.from_pretrained(base)
        except (OSError, ValueError, KeyError) as error:
            raise self._none(error) from error
        self.looks = hasattr(self.processor, "image_processor")
        self.tokenizer: Any = self.processor.tokenizer if self.looks else self.processor
        self.template = getattr(self.processor, "chat_template", None) is not None
        if self.looks and not self.template:
            raise UserError(f"the classifier in {base} has no chat template: put the one it was trained with beside it")
        if self.config.num_labels > LOG_ODDS_LABELS:
            raise UserError(
                f"the classifier in {base} has {self.config.num_labels} labels, so its outputs are no reward: give one "
                "with one output, or with two labels of which the second is good"
            )
        self.fingerprint = fingerprint(type(self).judge, weights_of(base), dtype, max_pixels)

    def judge(self, items: Sequence[Item], images: Sequence[Image.Image | None]) -> list[list[Judgement]]:
        """One judgement an item, with both rewards; one that is too long for the model has a problem instead."""
        shown = [image if self.looks else None for image in images]
        rows = [(i, self._text(items[i], side, shown[i] is not None)) for i in range(len(items)) for side in (0, 1)]
        lengths = self._lengths([text for _, text in rows])
        rewards = [float("nan")] * len(rows)
        for part in self._batches(lengths, [shown[i] is not None for i, _ in rows]):
            found = self._rewards([rows[row][1] for row in part], [shown[rows[row][0]] for row in part])
            for row, reward in zip(part, found, strict=True):
                rewards[row] = reward
        judged = []
        for i in range(len(items)):
            longest = max(lengths[2 * i : 2 * i + 2])
            if longest > self.longest:
                problem = f"The question and its longer answer have {longest} tokens, the model reads {self.longest}."
                judged.append([Judgement(0, 0, None, problem=problem)])
            else:
                judged.append([by_reward(rewards[2 * i], rewards[2 * i + 1])])
        return judged

    @cached_property
    def longest(self) -> int:
        """Tokens that the model reads; an image's are not counted, for they are its processor's business."""
        known = (self.tokenizer.model_max_length, getattr(self.config.get_text_config(), "max_position_embeddings", 0))
        return int(min([limit for limit in known if limit and limit < _NO_LIMIT], default=_NO_LIMIT))

    @cached_property
    def model(self) -> Any:
        place = device_of(self.device)
        try:
            kind: Any = native_class(self.config)
            if kind is None:
                with torch.device("meta"):
                    kind = classifier_class(AutoModelForImageTextToText.from_config(self.config))
            model, found = kind.from_pretrained(
                self.base, dtype=dtype_of(self.dtype, place), use_safetensors=True, output_loading_info=True
            )
        except (OSError, ValueError, KeyError, StopIteration) as error:
            raise self._none(error) from error
        if missing := sorted(found["missing_keys"]):
            raise UserError(
                f"{self.base} lacks the weights {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''} of a "
                f"{kind.__name__}, so it is no trained classifier: give the folder of one (a model that writes is "
                "named judge:FOLDER)"
            )
        if model.config.get_text_config().pad_token_id is None:
            model.config.get_text_config().pad_token_id = self.tokenizer.pad_token_id
        return model.eval().to(place)

    def _none(self, error: Exception) -> UserError:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        return UserError(
            f"no sequence classifier could be loaded from {self.base} ({reason}): give classifier:FOLDER with "
            "config.json, its tokenizer or processor, and weights as safetensors"
        )

    def _text(self, item: Item, side: int, shown: bool) -> Any:
        """The conversation as text; the pair of texts for a text model without a template."""
        question, response = self._data(item.question), self._data(item.responses[side])
        if not self.template:
            return question, response
        turns = chat.answered(question, response, image=shown)
        if not self.looks:
            turns = [turn | {"content": turn["content"][0]["text"]} for turn in turns]
        return str(self.processor.apply_chat_template(turns, tokenize=False))

    def _data(self, text: str) -> str:
        """What people and models say, with no special token in it that could start a turn or place an image."""
        special = [token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special]
        for token in [*special, *([self.processor.image_token] if hasattr(self.processor, "image_token") else [])]:
            text = text.replace(token, f"{token[:1]} {token[1:]}")
        return text

    def _lengths(self, texts: Sequence[Any]) -> list[int]:
        if self.template:
            return [len(ids) for ids in self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
        return [len(self.tokenizer(question, response)["input_ids"]) for question, response in texts]

    def _batches(self, lengths: Sequence[int], shown: Sequence[bool]) -> Iterator[list[int]]:
        """Numbers of rows of like lengths that are read together: with images apart from those without."""
        size = BATCH if self.tokenizer.pad_token_id is not None else 1
        for with_image in (True, False):
            numbers = [i for i, there in enumerate(shown) if there == with_image and lengths[i] <= self.longest]
            numbers.sort(key=lengths.__getitem__)
            yield from (numbers[start : start + size] for start in range(0, len(numbers), size))

    @torch.no_grad()
    def _rewards(self, texts: Sequence[Any], images: Sequence[Image.Image | None]) -> list[float]:
        inputs = self._inputs(texts, images).to(self.model.device)
        inputs = {
            name: value.to(self.model.dtype) if value.is_floating_point() else value for name, value in inputs.items()
        }
        logits_BL = self.model(**inputs).logits.double()
        rewards_B = logits_BL[:, 1] - logits_BL[:, 0] if logits_BL.shape[1] == LOG_ODDS_LABELS else logits_BL[:, 0]
        return [float(reward) for reward in rewards_B.cpu()]

    def _inputs(self, texts: Sequence[Any], images: Sequence[Image.Image | None]) -> Any:
        how = {"return_tensors": "pt", "padding": len(texts) > 1}
        if not self.template:
            questions, responses = zip(*texts, strict=True)
            return self.tokenizer(list(questions), list(responses), padding_side="right", **how)
        if not self.looks:
            return self.tokenizer(list(texts), add_special_tokens=False, padding_side="right", **how)
        there = [[self._within(image)] for image in images if image is not None]
        try:
            return self.processor(
                text=list(texts), images=there or None, add_special_tokens=False, padding_side="right", **how
            )
        except (ValueError, ZeroDivisionError) as error:
            sizes = ", ".join(sorted({f"{image.width} x {image.height}" for [image] in there}))
            raise RefusedImage(
                f"the processor of {self.base} refuses an image of {sizes} pixels ({str(error).splitlines()[0][:160]})"
            ) from error

    def _within(self, image: Image.Image) -> Image.Image:
        return image if self.max_pixels is None else within(image, self.max_pixels)
