from __future__ import annotations

from vlrm import chat
from vlrm.policy.local import Request, Sampling, generate, row_seed
from vlrm.vlm import Conversation


def test_a_rows_seed_decides_its_sample_whatever_batch_it_is_in(tiny):
    vlm, images = tiny
    questions = ["What is in the image?", "Is there a star?", "What is in the image? Is there a star?"]
    requests = [Request(Conversation(images[i % 2], chat.ask(q)), row_seed(i)) for i, q in enumerate(questions)]
    together = generate(vlm, requests, Sampling(max_new_tokens=8))
    alone = [generate(vlm, [request], Sampling(max_new_tokens=8))[0] for request in requests]
    assert together == alone
    other = generate(vlm, [Request(r.conversation, r.seed + 1) for r in requests], Sampling(max_new_tokens=8))
    assert other != together
