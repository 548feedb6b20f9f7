"""An endpoint against a real server: ``transformers serve`` with the embedded model."""

from __future__ import annotations

import json
import os
import shutil
from itertools import islice
from pathlib import Path

import pytest
from loopback import HERE, ROOT, server

from vlrm import chat
from vlrm.images import store
from vlrm.policy.endpoint import EndpointWriter
from vlrm.policy.endpoint_settings import Endpoint
from vlrm.policy.local import LocalWriter
from vlrm.policy.protocol import Request, Sampling
from vlrm.scenes.render import render
from vlrm.scenes.world import scenes
from vlrm.vlm import Conversation, Vlm

MODEL = ROOT / "data/06_models/embedded/vlm"
QUESTIONS = ("What is in the image?", "Describe the picture.", "How many objects are there?")


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> tuple[str, str]:
    """(address, model) of a copy that samples unless it is told not to."""
    folder = Path(shutil.copytree(MODEL, tmp_path_factory.mktemp("served") / "vlm"))
    generation = json.loads((folder / "generation_config.json").read_text()) | {"do_sample": True}
    (folder / "generation_config.json").write_text(json.dumps(generation))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with server("/health", str(HERE / "serve_transformers.py"), str(folder)) as address:
        yield f"{address}/v1", str(folder)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> tuple[Path, list[str]]:
    root = tmp_path_factory.mktemp("images")
    return root, [store(render(scene), root) for scene in islice(scenes(7), 4)]


def test_at_temperature_zero_an_endpoint_writes_what_the_same_model_writes_here(served, images, tmp_path):
    root, shas = images
    asked = [chat.ask(question) for question in QUESTIONS]
    asked.append(chat.criticise(QUESTIONS[0], "There is a red star.", "[1] large yellow star; [2] ball"))
    requests = [Request(Conversation(sha, messages), 0) for sha in shas for messages in asked]
    sampling = Sampling(temperature=0, max_new_tokens=40)
    url, model = served
    there = EndpointWriter(Endpoint(url=url, model=model), root, tmp_path).write(requests, sampling)
    here = LocalWriter(Vlm.load(MODEL, root)).write(requests, sampling)
    assert there == here and len(set(there)) > len(shas)


def test_seeds_draw_and_the_log_repeats(served, images, tmp_path):
    root, shas = images
    url, model = served
    requests = [Request(Conversation(shas[0], chat.ask(QUESTIONS[0])), 2**50 + seed) for seed in range(6)]
    endpoint = Endpoint(url=url, model=model, in_flight=1)
    first = EndpointWriter(endpoint, root, tmp_path / "one").write(requests, Sampling())
    assert len(set(first)) > 1
    again = EndpointWriter(endpoint, root, tmp_path / "two").write(requests, Sampling())
    assert first == again  # asked one at a time, this server draws by the seed alone
    nobody = EndpointWriter(endpoint.model_copy(update={"timeout_seconds": 1e-3}), root, tmp_path / "one")
    assert nobody.write(requests, Sampling()) == first  # nothing is asked any more
