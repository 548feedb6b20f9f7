"""Who writes: with an endpoint no weights of the base model are needed to sample or to criticise."""

from __future__ import annotations

import pyarrow as pa
import pytest

from vlrm.errors import UserError
from vlrm.evaluation.exam import ExamSizes
from vlrm.pipelines.critique_generation.nodes import criticise, sample
from vlrm.pipelines.groundwork.nodes import sample_exam
from vlrm.pipelines.settings import Critiques, Policy
from vlrm.pipelines.writers import open_writer
from vlrm.policy.endpoint import EndpointWriter
from vlrm.policy.endpoint_log import Answer, AnswerLog
from vlrm.policy.local import LocalWriter
from vlrm.schema import EVIDENCE, PROMPTS, RESPONSES

POLICY = Policy(
    base="no/such/model", candidates=2, endpoint={"url": "http://127.0.0.1:9/v1", "model": "any", "retries": 0}
)
PROMPT = {"prompt_id": "p", "image": "x", "image_sha256": "f" * 64, "question": "What?", "kind": "any", "part": "iid"}


@pytest.fixture
def prompts():
    return pa.Table.from_pylist([PROMPT], PROMPTS)


@pytest.fixture
def answered(monkeypatch):
    """Every request has been answered by an earlier run; the answer is its key's beginning."""
    monkeypatch.setattr(AnswerLog, "read", lambda self, keys: {key: Answer(text=key[:6]) for key in keys})


def test_a_policy_without_an_endpoint_is_the_local_model(tiny):
    vlm, _ = tiny
    writer = open_writer(Policy(base="no/such/model"), "data", vlm)
    assert isinstance(writer, LocalWriter) and writer.vlm is vlm
    with pytest.raises(UserError, match="no/such/model"):
        open_writer(Policy(base="no/such/model"), "data")


def test_a_policy_with_an_endpoint_loads_nothing(tmp_path):
    writer = open_writer(POLICY, str(tmp_path), critic=tmp_path)
    assert isinstance(writer, EndpointWriter)
    assert writer.folder == tmp_path / "cache/endpoint" and writer.images == tmp_path / "01_raw/images"


def test_candidates_and_critiques_come_from_the_endpoint(prompts, answered, tmp_path):
    candidates = sample(prompts, POLICY, 0, str(tmp_path))
    assert candidates.num_rows == 2 and len(set(candidates["text"].to_pylist())) == 2
    critiques = criticise(
        candidates, RESPONSES.empty_table(), prompts, EVIDENCE.empty_table(), tmp_path, POLICY, Critiques(samples=3), 0,
        str(tmp_path),
    )  # fmt: skip
    assert critiques.num_rows == 6 and critiques["with_evidence"].to_pylist() == [True] * 6


@pytest.mark.parametrize("drawn", [2, 5])
def test_the_exam_is_drawn_from_its_own_number_of_candidates(prompts, answered, tmp_path, drawn):
    policy = POLICY.model_copy(update={"candidates": drawn})
    assert sample_exam(prompts, policy, ExamSizes(candidates=3), 0, str(tmp_path)).num_rows == 3
