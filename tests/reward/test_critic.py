"""The critic learns a critique as the answer to the very words it will be asked in."""

from __future__ import annotations

import pyarrow as pa
import pytest

from vlrm.critiques.templates import TEMPLATES
from vlrm.pipelines.rm_training.nodes import critic_examples
from vlrm.reward.critic import language_loss
from vlrm.reward.scoring import critique_requests
from vlrm.schema import CRITIQUE_TARGETS


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_target_is_learned_after_the_words_that_scoring_asks_in(name, tiny, monkeypatch):
    vlm, images = tiny
    row = {"image_sha256": images[0], "question": "What is there?", "response": "A star.", "template": name}
    row["critique"] = "See: star. Check: star: yes. Verdict: right."
    asked = []
    original = vlm.text
    monkeypatch.setattr(vlm, "text", lambda messages, reply: asked.append(messages) or original(messages, reply=reply))
    loss = language_loss(vlm, critic_examples([pa.Table.from_pylist([row], CRITIQUE_TARGETS)]))
    assert loss.item() > 0
    rows = [("id", images[0], "What is there?", "A star.")]
    assert asked == [r.conversation.messages for r in critique_requests(rows, range(1), 0, TEMPLATES[name])]
