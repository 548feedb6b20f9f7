"""A reward model as the reward function of RL trainers: TRL, verl and OpenRLHF, by the signatures they call.

``VLRM_REWARD_MODEL`` names the folder where a trainer's configuration cannot. The model is loaded at the first call
and once a process; calls from several threads wait for each other.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from vlrm.errors import UserError
from vlrm.images import decode_image, upright_rgb
from vlrm.reward.scoring import Scorer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

FOLDER = "VLRM_REWARD_MODEL"
"""Environment variable: the folder of a reward model, as training, a release or an export wrote it."""
ENDS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>", "<end_of_utterance>", "<eos>", "</s>")
"""What a policy's text may end with where its special tokens were not left out: the end of a turn, not the answer."""
_lock = threading.Lock()


def trl_reward(folder: str | Path | None = None) -> Callable[..., list[float]]:
    """The function for ``GRPOTrainer(reward_funcs=...)`` (trl 1.16.0, ``GRPOTrainer._calculate_rewards``)."""

    def vlrm_reward(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        images: Sequence[Any] | None = None,
        image: Sequence[Any] | None = None,
        **_: Any,
    ) -> list[float]:
        """Rewards of N completions; ``images`` (a list a prompt) or ``image`` are the data set's columns."""
        if images is None:
            images = image if image is not None else [None] * len(prompts)
        rows = [
            (_one(shown), _question(prompt), _text(completion))
            for shown, prompt, completion in zip(images, prompts, completions, strict=True)
        ]
        return _rewards(rows, folder)

    return vlrm_reward


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
    **_: Any,
) -> float:
    """The reward of one response for verl (0.9.1, ``NaiveRewardManager.run_single``).

    verl hands no image to a reward function, so ``extra_info`` holds ``question`` and ``image`` (a path or
    a data:image URI).
    ``folder`` is given as ``reward.custom_reward_function.reward_kwargs.folder``.
    """
    return _rewards([_told(extra_info, solution_str, "extra_info")], folder)[0]


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]) -> dict[str, Any]:
    """For OpenRLHF (0.11.2, ``SingleTurnAgentExecutor``): ``--reward.remote_url`` names a file with this function.

    OpenRLHF hands over texts only, so a label is JSON of ``question`` and ``image`` (a path or a data:image URI). A
    query is the prompt, its image tokens filled in, and the response, special tokens and all.
    """
    rows = []
    for query, prompt, label in zip(queries, prompts, labels, strict=True):
        told = _parsed(label)
        rows.append(_told(told, _after(query, prompt, str(told.get("question", ""))), "the label"))
    rewards = torch.tensor(_rewards(rows, None))
    return {"rewards": rewards, "scores": rewards, "extra_logs": {}}


def _rewards(rows: Sequence[tuple[Any, str, str]], folder: str | Path | None) -> list[float]:
    where = folder or os.environ.get(FOLDER)
    if not where:
        raise UserError(f"no reward model is named: set {FOLDER} to its folder, or give folder=")
    with _lock:  # trainers call from threads; a model reads one batch at a time
        return [float(reward) for reward in _scorer(str(where)).rewards(rows)]


@cache
def _scorer(folder: str) -> Scorer:
    return Scorer.load(folder)


def _question(prompt: Any) -> str:
    """The user's turn of a prompt; instructions of a system turn are the policy's, and not judged."""
    if isinstance(prompt, str):
        return prompt
    turns = [turn for turn in prompt if turn["role"] == "user"]
    if len(turns) != 1 or any(turn["role"] == "assistant" for turn in prompt):
        raise UserError(
            f"a prompt has {len(turns)} turns of a user among {len(prompt)}: the reward model judges the answer to one "
            "question; leave longer conversations out of the data set"
        )
    return _said(turns[0]["content"])


def _text(completion: Any) -> str:
    return completion if isinstance(completion, str) else _said(completion[-1]["content"] if completion else "")


def _said(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content or () if part.get("type") == "text")


def _one(shown: Any) -> Any:
    """The image of a row: as it is, the only one of a list, or none."""
    if isinstance(shown, (list, tuple)):
        if len(shown) > 1:
            raise UserError(f"a prompt has {len(shown)} images: the reward model reads one; leave such prompts out")
        shown = shown[0] if shown else None
    return _opened(shown)


def _opened(image: Any) -> Any:
    """A path stays one; bytes, base64 and the dictionaries in which data sets keep images are decoded."""
    if isinstance(image, dict):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, str) and image.startswith("data:image"):
        image = _decoded(image.partition(",")[2])
    if isinstance(image, bytes):
        return decode_image(image, "An image given as bytes")
    return upright_rgb(image) if isinstance(image, Image.Image) else image


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise UserError(f"an image that begins with data:image is not base64 ({error})") from error


def _told(info: Mapping[str, Any] | None, response: str, where: str) -> tuple[Any, str, str]:
    """A row from what travels beside a response."""
    if info is None or "question" not in info:
        raise UserError(f'{where} of a row lacks "question": put it and "image" (a path or a data:image URI) into it')
    return _one(info.get("image")), str(info["question"]), _without_end(response)


def _parsed(label: Any) -> Mapping[str, Any]:
    try:
        told = json.loads(label) if isinstance(label, str) else label
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise UserError('a label is no JSON object of "question" and "image" (a path or a data:image URI): write it so')
    return told


def _after(query: str, prompt: str, question: str) -> str:
    """The response in ``query``: what stands after the end of the prompt, which image tokens do not lengthen."""
    tail = prompt[prompt.rindex(question) :] if question and question in prompt else prompt
    start = query.find(tail)
    if start < 0:
        raise UserError("the end of a prompt does not stand in its query: give the label the question word by word")
    return query[start + len(tail) :]


def _without_end(response: str) -> str:
    kept = response.rstrip()
    while end := next((end for end in ENDS if kept.endswith(end)), None):
        kept = response = kept.removesuffix(end)
        kept = kept.rstrip()
    return response
