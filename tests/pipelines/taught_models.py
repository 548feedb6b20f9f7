"""Tiny Qwen-VL checkpoints that have been taught, without looking much, to write what the loop can read."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from family_models import qwen
from torch.nn.functional import cross_entropy

from vlrm import chat
from vlrm.claims.extract import extract_claims
from vlrm.claims.truth import holds
from vlrm.critiques import grammar
from vlrm.critiques.templates import choose
from vlrm.scenes.questions import answer, ask
from vlrm.scenes.render import render
from vlrm.scenes.world import scenes
from vlrm.vlm import Vlm

if TYPE_CHECKING:
    from pathlib import Path

SEED = 4_711
SCENES, STEPS = 48, 260
ANSWERS, CRITIQUES = 12, 4
"""Rows of a step; each second step is about critiques, whose prompts are long."""
Lesson = tuple[int, chat.Messages, str]
"""The number of a scene, what is asked about it, and what is to be written."""


def lessons(seed: int, drawn: list[Any]) -> list[Lesson]:
    """Answers to questions about scenes, and a short critique of every third of them."""
    rng, template = np.random.default_rng(seed), choose("instruct-1")
    made: list[Lesson] = []
    for number, scene in enumerate(drawn):
        for turn in range(6):
            question = ask(scene, rng)
            said = answer(question, scene, rng)
            made.append((number, chat.ask(question.text), said))
            if turn % 3 == 0:
                told = scene if rng.random() < 0.5 else drawn[int(rng.integers(len(drawn)))]
                judged = [(claim, holds(claim, told.seen())) for claim in extract_claims(said, question.text)]
                if judged:
                    shown = told.seen() if rng.random() < 0.7 else None  # with the evidence, and as the critic learns
                    statement, right = grammar.statements(judged)[0]
                    answered, verdict = ("yes", "right") if right else ("no", "wrong")
                    critique = f"See: things on a table. Check: {statement}: {answered}. Verdict: {verdict}."
                    made.append((number, template.ask(question.text, said, shown), critique))
    return made


def write(kind: str, folder: Path) -> Path:
    """A checkpoint of ``kind`` in ``folder``, float32, of the real model, processor and tokenizer classes."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    drawn = list(islice(scenes(SEED), SCENES))
    taught = lessons(SEED, drawn)
    texts = [
        part["text"] for _, messages, _ in taught for turn in messages for part in turn["content"] if "text" in part
    ]
    model, processor = qwen(kind, [*texts[:200], *(said for _, _, said in taught)], 1200)
    vlm = Vlm(model.eval(), processor, folder)
    images = [vlm.hold(render(scene)) for scene in drawn]
    optimizer = torch.optim.AdamW([*model.model.get_decoder().parameters(), *model.lm_head.parameters()], lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS, pct_start=0.1)
    critiques = [lesson for lesson in taught if lesson[2].startswith("See:")]
    answers = [lesson for lesson in taught if not lesson[2].startswith("See:")]
    for step in range(STEPS):
        some, size = (critiques, CRITIQUES) if step % 2 else (answers, ANSWERS)
        rows = [some[i] for i in rng.integers(len(some), size=size)]
        loss = language_loss(vlm, [images[number] for number, _, _ in rows], rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def language_loss(vlm: Vlm, images: list[str], rows: list[Lesson]) -> torch.Tensor:
    """Mean cross-entropy of what is to be written."""
    contexts = vlm.token_ids([vlm.text(messages, reply=True) for _, messages, _ in rows], images)
    written = vlm.token_ids([said + vlm.tokenizer.eos_token for _, _, said in rows])
    inputs = vlm.inputs(images, [a + b for a, b in zip(contexts, written, strict=True)], side="right")
    hidden = vlm.model.model(**inputs, use_cache=False).last_hidden_state
    said = torch.zeros_like(inputs["input_ids"], dtype=torch.bool)
    for i, (context, target) in enumerate(zip(contexts, written, strict=True)):
        said[i, len(context) : len(context) + len(target)] = True
    return cross_entropy(vlm.model.lm_head(hidden[:, :-1][said[:, 1:]]).float(), inputs["input_ids"][said])
