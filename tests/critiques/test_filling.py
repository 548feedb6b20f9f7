"""A form that we write and the critic fills in: its checks are the model's, all else is given."""

import pyarrow as pa
import pytest

from vlrm import chat
from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.critiques import parser
from vlrm.critiques.sampling import sample_critiques
from vlrm.critiques.selection import select_critiques
from vlrm.critiques.templates import TEMPLATES, choose
from vlrm.policy.local import LocalWriter
from vlrm.policy.protocol import Request, Sampling
from vlrm.schema import CLAIMS, SeenObject, claim_to_json
from vlrm.vlm import Conversation

SMALL = TEMPLATES["small-1"]
OBJECTS = [SeenObject(noun, (0.1, 0.1, 0.4, 0.4), score) for noun, score in
           (("dog", 0.9), ("dog", 0.8), ("bench", 0.6), ("car", 0.15), ("cat", 0.03))]  # fmt: skip
ANSWER = "Two dogs sit beside a pizza."


class Knows:
    """Answers yes to what ends with one of these words, no to the rest."""

    def __init__(self, *known: str, otherwise: str = "no") -> None:
        self.known, self.otherwise, self.requests = known, otherwise, []

    def write(self, requests, sampling, progress=None):
        assert sampling.max_new_tokens == 1
        self.requests += requests
        return ["Yes" if r.opening.endswith(tuple(f"{w}:" for w in self.known)) else self.otherwise for r in requests]


def critiques(writer, text: str = ANSWER, samples: int = 1):
    rows = [{"response_id": "r", "image_sha256": "i", "question": "Describe the image.", "text": text}]
    return sample_critiques(writer, rows, samples, Sampling(), 0, SMALL, {"i": OBJECTS}).to_pylist()


def test_the_model_decides_the_checks_and_the_verdict_follows():
    writer = Knows("two dog")
    (row,) = critiques(writer)
    assert row["text"].startswith("See: [1] dog; [2] dog; [3] bench. Check: two dog: yes; ")
    assert row["text"].endswith("pizza: no. Verdict: wrong.") and row["verdict"] == "wrong"
    assert row["parsed"] and row["template"] == "small-1"
    assert writer.requests[0].opening == "See: [1] dog; [2] dog; [3] bench. Check: two dog:"
    assert critiques(Knows(otherwise="yes"))[0]["verdict"] == "right"


def test_what_is_no_answer_does_not_parse_and_ends_the_form():
    writer = Knows("two dog", otherwise="The")
    (row,) = critiques(writer)
    assert not row["parsed"] and row["reason"] == "unparsed" and row["text"].endswith(": the")
    assert len(writer.requests) == 2


def test_an_answer_without_statements_is_counted_too():
    writer = Knows()
    (row,) = critiques(writer, text="Lovely!")
    assert row["reason"] == "empty_check" and not writer.requests


def test_samples_of_one_answer_have_seeds_of_their_own():
    writer = Knows(otherwise="yes")
    assert len(critiques(writer, samples=2)) == 2
    seeds = [request.seed for request in writer.requests]
    assert len(set(seeds)) == len(seeds)


def test_filled_critiques_can_become_targets():
    written = []
    claims = []
    for name, text, known in (("a", "There is a dog.", ("dog",)), ("b", "There is a pizza.", ())):
        row = critiques(Knows(*known), text)[0] | {"response_id": name, "critique_id": name}
        written.append(row)
        for number, claim in enumerate(extract_claims(text, "", PHOTOS)):
            probability = 0.97 if name == "a" else 0.03
            claims.append({
                "response_id": name, "claim_index": number, "image_sha256": "i", "kind": claim.kind,
                "claim": claim_to_json(claim), "start": 0, "end": 1, "probability": probability,
                "verdict": "supported", "evidence_ids": [], "families": "{}",
            })  # fmt: skip
    accepted = select_critiques(pa.Table.from_pylist(written), pa.Table.from_pylist(claims, CLAIMS), 0)
    assert accepted.counts["kept"] == 2


def test_without_evidence_the_critic_writes_freely():
    said = SMALL.ask("What?", "A <|im_end|> dog.", None)
    assert "<|" not in said[0]["content"][-1]["text"] and "Evidence" not in said[0]["content"][-1]["text"]
    read = SMALL.read("See: dog. Check: dog: yes. Verdict: right.")
    assert isinstance(read, parser.Critique) and choose("small-1") is SMALL


def test_a_local_model_goes_on_from_the_opening(tiny, monkeypatch):
    vlm, images = tiny
    conversation = Conversation(images[0], chat.ask("What is in the image?"))
    read, token_ids = [], vlm.token_ids
    monkeypatch.setattr(vlm, "token_ids", lambda texts, about: read.extend(texts) or token_ids(texts, about))
    asked = [Request(conversation, 0), Request(conversation, 0, "See: a star."), Request(conversation, 1)]
    assert len(LocalWriter(vlm).write(asked, Sampling(max_new_tokens=2))) == 3
    assert len(read) == 2 and read[1] == read[0] + "See: a star."


def test_an_endpoint_refuses_what_is_begun_for_it(tmp_path):
    from vlrm.errors import UserError
    from vlrm.policy.endpoint import EndpointWriter
    from vlrm.policy.endpoint_settings import Endpoint

    writer = EndpointWriter(Endpoint(url="http://localhost:1/v1", model="m"), tmp_path, tmp_path)
    with pytest.raises(UserError, match=r"critiques\.template"):
        writer.write([Request(Conversation("i", chat.ask("?")), 0, "See:")], Sampling())


def test_forms_about_an_image_stand_side_by_side():
    rows = [
        {"response_id": str(i), "image_sha256": image, "question": "Describe the image.", "text": text}
        for i, (image, text) in enumerate([("a", "A dog."), ("b", "A very old cat."), ("a", "A dog on a long bench.")])
    ]
    writer = Knows(otherwise="yes")
    found = sample_critiques(writer, rows, 1, Sampling(), 0, SMALL, {"a": OBJECTS, "b": OBJECTS}).to_pylist()
    assert [row["response_id"] for row in found] == ["0", "1", "2"]
    assert [r.conversation.image for r in writer.requests][:3] in (["a", "a", "b"], ["b", "a", "a"])
