"""What the embedded base model can do on fresh scenes, judged by exact truth.

    python benchmarks/base_model.py [--scenes 250] [--temperature 0.7]

How many of its sampled descriptions hold a contradicted claim, how often its claims of each kind are right, and how
often it is right about answers of others, half of them made false: by yes or no, and by the verdict of a sampled
critique. The last line is the result as one JSON object; the same is written to benchmarks/results/base_model.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from measured_on import commit, machine, versions
from vlrm import chat
from vlrm.claims.extract import extract_claims
from vlrm.claims.truth import holds
from vlrm.critiques import parser
from vlrm.embedded.corpus import mutate
from vlrm.policy.local import generate
from vlrm.policy.protocol import Request, Sampling, row_seed
from vlrm.prompts import store_scene
from vlrm.reward.model import ModelConfig, RewardModel
from vlrm.reward.model import Row as Scored
from vlrm.scenes.questions import DESCRIBE, Question, answer, ask
from vlrm.scenes.world import Scene, scenes
from vlrm.vlm import Conversation, Vlm

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "data" / "06_models" / "embedded" / "vlm"
RESULT = ROOT / "benchmarks" / "results" / "base_model.json"
SEED = 777_000_000
"""Far from the seeds of training, prompts and exam."""
CRITIQUE_TOKENS = 90


@dataclass(frozen=True)
class Shown:
    """A scene, its stored image, and a question about it."""

    scene: Scene
    image: str
    question: Question


def describe(vlm: Vlm, shown: list[Shown], sampling: Sampling) -> dict[str, Any]:
    """Share of descriptions with a contradicted claim, and share of right claims by kind with their number."""
    requests = [
        Request(Conversation(one.image, chat.ask(DESCRIBE[0])), row_seed("describe", one.image)) for one in shown
    ]
    right: dict[str, list[bool]] = defaultdict(list)
    contradicted = []
    for one, text in zip(shown, generate(vlm, requests, sampling), strict=True):
        claims = extract_claims(text, DESCRIBE[0])
        true = [holds(claim, one.scene.seen()) for claim in claims]
        contradicted.append(not all(true))
        for claim, held in zip(claims, true, strict=True):
            right[claim.attribute or claim.kind].append(held)
    return {
        "descriptions_contradicted": float(np.mean(contradicted)),
        "claims_right": {kind: {"share": float(np.mean(held)), "n": len(held)} for kind, held in sorted(right.items())},
    }


def judge(vlm: Vlm, shown: list[Shown], sampling: Sampling) -> dict[str, float]:
    """Accuracy of yes/no odds and of critiques' verdicts about true and falsified answers, and the share of true."""
    rng = np.random.default_rng(SEED)
    asked, true = [], []
    for one in shown:
        for source in (one.scene, mutate(one.scene, one.question, rng) or one.scene):
            text = answer(one.question, source, rng)
            claims = extract_claims(text, one.question.text)
            asked.append((one.image, one.question.text, text))
            true.append(all(holds(claim, one.scene.seen()) for claim in claims))
    requests = [Request(Conversation(i, chat.criticise(q, t)), row_seed("criticise", i, t)) for i, q, t in asked]
    critiques = [parser.parse(text) for text in generate(vlm, requests, sampling)]
    verdicts = np.array([getattr(critique, "verdict", None) == "right" for critique in critiques])
    parsed = np.array([isinstance(critique, parser.Critique) for critique in critiques])
    model = RewardModel(vlm, ModelConfig(base="embedded", likelihood_scale=1, yes_scale=1, verify_form=0, readout=""))
    model.eval()
    with torch.no_grad():
        odds = torch.cat([
            model.terms([Scored(*row) for row in asked[start : start + 64]]).yes for start in range(0, len(asked), 64)
        ])  # fmt: skip
    labels = np.array(true)
    return {
        "answers_true": float(labels.mean()),
        "yes_no_accuracy": float(((odds.numpy() > 0) == labels).mean()),
        "critiques_parsed": float(parsed.mean()),
        "critique_verdict_accuracy": float((verdicts == labels)[parsed].mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=250)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(SEED)
        drawn = list(islice(scenes(SEED), given.scenes))
        shown = [Shown(scene, store_scene(scene, Path(folder))[1], ask(scene, rng)) for scene in drawn]
        vlm = Vlm.load(str(given.model), Path(folder))
        said = describe(vlm, shown, Sampling(temperature=given.temperature))
        judged = judge(vlm, shown, Sampling(temperature=given.temperature, max_new_tokens=CRITIQUE_TOKENS))
    result = {
        "benchmark": "base_model", "scenes": given.scenes, "temperature": given.temperature, **said, **judged,
        "machine": machine(), "versions": versions(("vlrm", "torch", "transformers")), "commit": commit(),
    }  # fmt: skip
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    for name, value in {**said, **judged}.items():
        print(f"{name:28s} {value if isinstance(value, dict) else f'{value:.3f}'}")
    print(json.dumps(result, sort_keys=True))


if __name__ == "__main__":
    main()
