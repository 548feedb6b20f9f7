"""Samples K candidate responses per prompt."""

from __future__ import annotations

import pyarrow as pa

from vlrm import chat
from vlrm.policy.protocol import Request, Sampling, Writer, row_seed
from vlrm.progress import say
from vlrm.schema import RESPONSES
from vlrm.vlm import Conversation


def sample_candidates(writer: Writer, prompts: pa.Table, number: int, sampling: Sampling, seed: int) -> pa.Table:
    """RESPONSES with source ``sampled``: ``number`` per prompt, in the prompts' order."""
    rows, requests = [], []
    for prompt in prompts.to_pylist():
        for sample in range(number):
            rows.append({
                "response_id": f"{prompt['prompt_id']}-c{sample}", "prompt_id": prompt["prompt_id"],
                "image_sha256": prompt["image_sha256"], "source": "sampled", "parent_id": None,
                "edit_kind": None, "quad_id": None, "sample": sample,
            })  # fmt: skip
            conversation = Conversation(prompt["image_sha256"], chat.ask(prompt["question"]))
            requests.append(Request(conversation, row_seed("candidate", seed, prompt["prompt_id"], sample)))
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        say(f"candidate {done} of {len(requests)}")

    texts = writer.write(requests, sampling, progress)
    return pa.Table.from_pylist([row | {"text": text} for row, text in zip(rows, texts, strict=True)], RESPONSES)
