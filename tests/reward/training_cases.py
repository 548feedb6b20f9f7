"""A small training for the tests: images in a store, pairs of which some are quads, critiques and critic targets."""

from __future__ import annotations

from typing import Any

from PIL import Image

from vlrm.images import store
from vlrm.reward.critic import CriticExample
from vlrm.reward.model import ModelConfig, RewardModel
from vlrm.reward.rows import TrainingPair
from vlrm.reward.settings import RewardTraining
from vlrm.vlm import Vlm

QUESTION = "What is in the image?"
STAR, BALL, RING = "There is a red star.", "I can see two blue balls.", "I can see a small green ring on the table."
SEEN = "See: red star. Check: red star: yes."
SMALL: dict[str, Any] = {"epochs": 1.5, "pairs_per_step": 4, "rate": 5e-3, "lora_rank": 4, "lora_alpha": 8}


def settings(**given: Any) -> RewardTraining:
    return RewardTraining(**SMALL | given)


def stored(folder: Any, colours: tuple[str, ...] = ("red", "blue", "green")) -> list[str]:
    return [store(Image.new("RGB", (64, 48), colour), folder) for colour in colours]


def reward_model(tiny_folder: Any, images: Any) -> RewardModel:
    config = ModelConfig(
        base=str(tiny_folder), likelihood_scale=3.0, yes_scale=0.5, verify_form=1, readout="likelihood"
    )
    return RewardModel(Vlm.load(tiny_folder, images), config).eval()


def pairs_about(images: list[str | None], single: int = 4, quads: int = 3) -> list[TrainingPair]:
    """Quads on the first two images and single pairs on the last, with weights and margins that differ."""
    red, blue, other = images
    made = []
    for q in range(quads):
        weight = 0.5 + q / 2
        made.append(TrainingPair(red, QUESTION, STAR, BALL, f"c{q}", f"r{q}", weight, 0.25, f"quad {q}"))
        made.append(TrainingPair(blue, QUESTION, BALL, STAR, f"d{q}", f"s{q}", weight, 0.5, f"quad {q}"))
    for i in range(single):
        weight = 1 + i / 4
        made.append(TrainingPair(other, QUESTION, RING, (STAR, BALL)[i % 2], f"e{i}", f"t{i}", weight, 0.1 * i, None))
    return made


def critiques() -> dict[str, list[str]]:
    return {f"{side}{i}": [SEEN, "See: ring. Check: two balls: no."] for side in "cdrset" for i in range(40)}


def targets(images: list[str | None]) -> list[CriticExample]:
    verdicts = (("right", STAR), ("wrong", BALL), ("wrong", RING))
    return [CriticExample(images[0], QUESTION, said, f"{SEEN} Verdict: {verdict}.") for verdict, said in verdicts]
