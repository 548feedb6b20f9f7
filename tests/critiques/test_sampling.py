"""M samples a response, each with its template, its verdict or why it has none, and how far the others agree."""

from __future__ import annotations

import pytest

from vlrm.critiques.sampling import sample_critiques
from vlrm.critiques.templates import EMBEDDED_1, INSTRUCT_1
from vlrm.policy.protocol import Sampling
from vlrm.schema import CRITIQUES, SeenObject

RIGHT = "See: star. Check: star: yes. Verdict: right."
WRONG = "See: star. Check: star: no. Verdict: wrong."
STAR = {"response_id": "r", "image_sha256": "i", "question": "What is there?", "text": "A star."}


class Says:
    """A policy that says what it was given, and keeps what it was asked."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.asked = texts, []

    def write(self, requests, sampling, progress=None):
        self.asked += [request.conversation.messages for request in requests]
        return list(self.texts)


def sampled(*texts, template=EMBEDDED_1, evidence=None):
    return sample_critiques(Says(*texts), [STAR], len(texts), Sampling(), 0, template, evidence)


def test_each_sample_is_a_row_of_the_table_with_its_template():
    table = sampled(RIGHT, WRONG, "no critique")
    assert table.schema.equals(CRITIQUES)
    assert table["template"].to_pylist() == ["embedded-1"] * 3
    assert table["verdict"].to_pylist() == ["right", "wrong", None]
    assert table["reason"].to_pylist() == [None, None, "unparsed"]


@pytest.mark.parametrize(
    ("texts", "agreement"),
    [
        ((RIGHT, RIGHT, RIGHT, WRONG), [2 / 3, 2 / 3, 2 / 3, 0.0]),
        ((RIGHT, "no critique"), [None, None]),
        ((RIGHT, "no critique", RIGHT), [1.0, None, 1.0]),
        ((RIGHT,), [None]),
    ],
)
def test_agreement_is_with_the_other_samples_that_parsed(texts, agreement):
    assert sampled(*texts)["agreement"].to_pylist() == pytest.approx(agreement)


def test_the_embedded_model_s_text_is_kept_as_it_was_written():
    assert sampled(" " + RIGHT)["text"].to_pylist() == [" " + RIGHT]


def test_a_lenient_family_s_text_is_kept_in_the_grammar_s_form():
    table = sampled("**See:** Star\n**Check:**\n- star: YES\n\n**Verdict:** right", template=INSTRUCT_1)
    assert table["text"].to_pylist() == [RIGHT]


def test_only_a_critic_that_was_given_evidence_may_cite_it():
    cited = RIGHT.replace("star.", "[1] star.", 1)
    evidence = {"i": [SeenObject("star", (0, 0, 1, 1))]}
    assert sampled(cited, evidence=evidence)["reason"].to_pylist() == [None]
    assert sampled(cited)["reason"].to_pylist() == ["cites_nothing"]
    assert sampled(cited, evidence={})["reason"].to_pylist() == ["cites_nothing"]
