"""Loads what an export wrote and scores rows again: how far the files are from the model they were made of.

It computes in float32 whatever was written, so that the difference is that of the weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import AutoProcessor

from vlrm import chat
from vlrm.images import BLANK, whole
from vlrm.reward.classifier import asked, classifier_class
from vlrm.reward.model import RewardModel, Row
from vlrm.vlm import HELD, Vlm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@torch.no_grad()
def check_merged(folder: Path, vlm: Vlm, rows: Sequence[Row], rewards_N: Tensor) -> float:
    """Largest difference of the rewards of the merged model in ``folder`` from ``rewards_N``."""
    again = Vlm.load(folder / "base", vlm.images, max_pixels=vlm.max_pixels)
    for image in {whole(row.image)[1].removeprefix(BLANK) for row in rows if row.image}:
        if image.startswith(HELD):  # in no store: handed over, under the same reference
            again.hold(vlm.open(image))
    found = RewardModel.load(folder, again)(list(rows))
    return float((found.double().cpu() - rewards_N).abs().max())


@torch.no_grad()
def check_classifier(folder: Path, vlm: Vlm, rows: Sequence[Row], expected_N: Tensor, question: str) -> dict[str, Any]:
    """Read rows as a server would: rendered by the folder's own chat template, tokenised as one text.

    ``classifier_max_error``: largest difference of a logit from ``expected_N``. ``template_asks``: whether the template
    adds the verification question by itself. ``same_tokens``: share of the rows whose tokens are those of training,
    which tokenises prompt, answer and question apart.
    """
    kind: Any = classifier_class(vlm.model)
    model = kind.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(folder)
    errors: list[float] = []
    asks, same = True, 0
    for row, expected in zip(rows, expected_N.tolist(), strict=True):
        if row.critique is not None:
            continue  # a server is given none
        shown = row.image is not None
        said = chat.answered(vlm.data(row.question), vlm.data(row.response), image=shown)
        text = vlm.text([*chat.answered(row.question, row.response, image=shown), asked(question)], reply=True)
        asks = asks and processor.apply_chat_template(said, tokenize=False) == text
        if vlm.sees is None:
            images = [[vlm.open(str(row.image))]] if shown else None
            inputs = processor(text=[text], images=images, return_tensors="pt", add_special_tokens=False)
        else:  # what experts see is written into the text, for whoever serves it
            inputs = processor(vlm.filled([text], [row.image]), return_tensors="pt", add_special_tokens=False)
        errors.append(abs(float(model(**inputs).logits[0, 0]) - expected))
        same += int(inputs["input_ids"][0].tolist() == _apart(vlm, row, text))
    if not errors:
        return {}
    worst = float(torch.tensor(errors).max())  # a NaN stays one, as it does not with Python's max
    return {"classifier_max_error": worst, "template_asks": asks, "same_tokens": same / len(errors)}


def _apart(vlm: Vlm, row: Row, text: str) -> list[int]:
    """Token ids of prompt, answer and verification question, each tokenised by itself."""
    before = vlm.text(chat.ask(row.question, image=row.image is not None), reply=True)
    response = vlm.data(row.response)
    if not text.startswith(before + response):
        response = response.strip()
    after = text[len(before) + len(response) :]
    prefix = vlm.token_ids([before], [row.image])[0]
    said, rest = vlm.token_ids([response, after])
    return [*prefix, *said, *rest]
