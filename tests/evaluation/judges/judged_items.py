"""Items for the tests of judges, and what a judge said in short."""

from __future__ import annotations

from typing import Any

from PIL import Image

from vlrm.evaluation.benchmarks.item import YES_NO, Item

STAR, BALLS, RING = "There is a red star.", "I can see two blue balls.", "a small green ring on the table."
QUESTION = "What is in the image?"


def pair(key: str = "1", first: str = STAR, second: str = BALLS, **given: Any) -> Item:
    return Item(key, f"id {key}", "pair", given.pop("question", QUESTION), given.pop("image", "red.png"),
                (first, second), given.pop("better", 0), given.pop("category", "all"), **given)  # fmt: skip


def yes_no(key: str = "1", question: str = "Is there a star?", image: Any = "red.png", better: int = 0) -> Item:
    return Item(key, f"id {key}", "yes_no", question, image, YES_NO, better, "all")


def describe(key: str = "1") -> Item:
    return Item(key, f"id {key}", "describe", "Describe this image.", "red.png", (), None, "generative")


def noise(count: int) -> list[Image.Image]:
    return [Image.effect_noise((64, 48), 20 * (i + 2)).convert("RGB") for i in range(count)]
