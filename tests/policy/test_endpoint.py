"""Endpoints against a server that fails on purpose: nothing lost, doubled, leaked or asked for nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loopback import free_port, get
from PIL import Image

from vlrm import chat
from vlrm.errors import UserError
from vlrm.images import store
from vlrm.policy.endpoint import EndpointWriter
from vlrm.policy.endpoint_log import AnswerLog
from vlrm.policy.endpoint_settings import Endpoint
from vlrm.policy.protocol import Request, Sampling
from vlrm.progress import listening
from vlrm.vlm import Conversation

KEY = "sk-very-secret-0123456789"
CLIENT = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
from vlrm.policy.endpoint import EndpointWriter
from vlrm.policy.endpoint_settings import Endpoint
from vlrm.policy.protocol import Request, Sampling
told = json.loads(sys.argv[1])
requests = [Request(SimpleNamespace(image=i, messages=m), seed) for i, m, seed in told["requests"]]
EndpointWriter(Endpoint(**told["endpoint"]), Path(told["images"]), Path(told["folder"])).write(requests, Sampling())
"""


@pytest.fixture
def made(faults, tmp_path):
    """Makes a writer for a model of the server, and requests about one image: (writer, requests)."""
    image = store(Image.new("RGB", (40, 30), "red"), tmp_path / "images")

    def make(model: str, word: str, number: int = 1, **settings) -> tuple[EndpointWriter, list[Request]]:
        endpoint = Endpoint(**{"url": f"{faults}/v1", "model": model} | settings)
        questions = [f"{word} {i}" for i in range(number)]
        requests = [Request(Conversation(image, chat.ask(q)), seed) for seed, q in enumerate(questions)]
        return EndpointWriter(endpoint, tmp_path / "images", tmp_path / "answers"), requests

    return make


def said(requests: list[Request]) -> list[str]:
    return [f"said: {r.conversation.messages[0]['content'][1]['text']}" for r in requests]


def error_of(made, model: str, word: str, **settings) -> str:
    writer, requests = made(model, word, **settings)
    with pytest.raises(UserError) as raised:
        writer.write(requests, Sampling())
    return str(raised.value)


def test_every_request_is_answered_once_and_in_order_whatever_the_server_does(made, faults):
    writer, requests = made("faulty", "patience", 54, timeout_seconds=2, retries=6)
    heard = []
    assert writer.write(requests, Sampling(), heard.append) == said(requests)
    assert sum(heard) == len(requests)
    seen = get(f"{faults}/seen?prefix=patience")
    assert set(seen["answered"].values()) == {1}
    assert seen["asked"] == {f"patience {i}": 2 + i % 3 for i in range(54)}  # one to three failures, then an answer
    assert seen["most"] <= 32


def test_as_many_requests_are_in_flight_as_allowed_and_no_more(made, faults):
    writer, requests = made("crowd", "crowd", 80, in_flight=32)
    assert writer.write(requests, Sampling()) == said(requests)
    assert get(f"{faults}/seen?prefix=crowd")["most"] == 32
    writer, requests = made("slow", "few", 12, in_flight=3)
    assert writer.write(requests, Sampling()) == said(requests)
    assert get(f"{faults}/seen?prefix=few")["most"] == 3


def test_the_server_hears_what_was_asked(made, faults):
    endpoint = {"instructions": "Be brief.", "extra": {"top_k": 5, "top_p": None}}
    writer, requests = made("fine", "heard", **endpoint)
    asked = Request(requests[0].conversation, 2**40 + 7)
    writer.write([asked], Sampling(temperature=0.5, max_new_tokens=9, stop=("\n", "User:")))
    body = get(f"{faults}/seen?prefix=heard")["bodies"]["heard 0"]
    assert body.pop("image") == ["data:image/png;base64", 40, 30]
    assert body == {
        "model": "fine", "temperature": 0.5, "max_tokens": 9, "seed": 7, "stop": ["\n", "User:"], "top_k": 5,
        "roles": ["system", "user"], "authorization": "Bearer none",
    }  # fmt: skip


def test_equal_requests_are_asked_once(made, faults):
    writer, requests = made("fine", "twins")
    assert writer.write(requests * 3, Sampling()) == said(requests * 3)
    assert get(f"{faults}/seen?prefix=twins")["asked"] == {"twins 0": 1}


def test_a_killed_run_goes_on_where_it_was(made, faults, tmp_path):
    writer, requests = made("slow", "killed", 120, in_flight=4)
    told = {
        "endpoint": writer.endpoint.model_dump() | {"in_flight": 4}, "images": str(writer.images), "folder": str(writer.folder),
        "requests": [[r.conversation.image, r.conversation.messages, r.seed] for r in requests],
    }  # fmt: skip
    path = os.pathsep.join(sys.path)
    client = subprocess.Popen([sys.executable, "-c", CLIENT, json.dumps(told)], env=os.environ | {"PYTHONPATH": path})
    try:
        while len(get(f"{faults}/seen?prefix=killed")["answered"]) < 30:
            assert client.poll() is None
            time.sleep(0.05)
    finally:
        client.send_signal(signal.SIGKILL)
        client.wait()
    log = AnswerLog(writer.folder, writer.endpoint, Sampling())
    kept = log.read({log.key(r) for r in requests})
    assert 20 <= len(kept) < 120
    with log.path.open("ab") as file:
        file.write(b'{"key":"0123","answer":{"text":"half')  # as a kill within a line leaves it
    asked = get(f"{faults}/seen?prefix=killed")["asked"]

    assert writer.write(requests, Sampling()) == said(requests)
    now = get(f"{faults}/seen?prefix=killed")
    for request, answer in zip(requests, said(requests), strict=True):
        question = answer.removeprefix("said: ")
        if log.key(request) in kept:
            assert now["asked"][question] == asked[question] == 1
    assert sum(now["asked"].values()) <= 120 + 4  # what was in flight at the kill, at most
    assert writer.write(requests, Sampling()) == said(requests)
    assert get(f"{faults}/seen?prefix=killed")["asked"] == now["asked"]


def test_another_question_seed_sampling_or_model_is_another_request(made, faults):
    writer, [request] = made("fine", "other")
    writer.write([request], Sampling())
    writer.write([Request(request.conversation, 99)], Sampling())
    writer.write([request], Sampling(temperature=0.1))
    writer.write([request], Sampling(batch_size=3))  # this is about the local model only
    made("fine", "other", extra={"top_k": 1})[0].write([request], Sampling())
    made("fine", "other", in_flight=2, key_env=None, retries=1)[0].write([request], Sampling())
    assert get(f"{faults}/seen?prefix=other")["asked"] == {"other 0": 4}


def test_tokens_and_costs_are_summed_and_told(made, caplog):
    prices = {"price_per_million_prompt_tokens": 2.0, "price_per_million_completion_tokens": 10.0}
    heard: list[str] = []
    with caplog.at_level(logging.INFO), listening(heard.append):
        writer, requests = made("fine", "bill", 5, **prices)
        writer.write(requests[:4], Sampling())
        writer.write(requests, Sampling())
    first, second = (line for line in heard if "tokens" in line)
    assert "4 answered by fine" in first and "400 prompt and 40 completion tokens, cost 0.0012" in first
    assert "1 answered by fine" in second and "4 kept from before (cost 0.0012 then)" in second
    assert sum("kept in" in record.getMessage() for record in caplog.records) == 2
    lines = [json.loads(line) for file in writer.folder.iterdir() for line in file.read_text().splitlines()]
    assert [line["answer"]["prompt_tokens"] for line in lines] == [100] * 5


def test_the_key_is_sent_and_stands_nowhere_else(made, faults, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    heard: list[str] = []
    with caplog.at_level(logging.DEBUG), listening(heard.append):
        writer, requests = made("fine", "keyed", 3, key_env="MY_KEY")
        writer.write(requests, Sampling())
        refusal = error_of(made, "wrong-key", "echoed", key_env="MY_KEY")  # this server repeats the key
    assert get(f"{faults}/seen?prefix=keyed")["bodies"]["keyed 0"]["authorization"] == f"Bearer {KEY}"
    assert "bad key: Bearer [key]" in refusal and "MY_KEY" in refusal
    told = [*heard, refusal, *(record.getMessage() for record in caplog.records), caplog.text, repr(writer.endpoint)]
    assert not [text for text in told if KEY in text]
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]
    made("fine", "keyless")[0].write(made("fine", "keyless")[1], Sampling())
    assert get(f"{faults}/seen?prefix=keyless")["bodies"]["keyless 0"]["authorization"] == "Bearer none"


def test_what_asking_again_cannot_help_fails_at_once_with_one_sentence(made, faults, monkeypatch):
    refused = error_of(made, "wrong-key", "no-key")
    assert "status 401" in refused and "policy.endpoint.key_env" in refused
    unknown = error_of(made, "unknown", "no-model")
    assert "status 404: The model `unknown` does not exist." in unknown and f"{faults}/v1/models" in unknown
    objects = error_of(made, "objects", "no-room")
    assert "status 400: This model's maximum context length is 16 tokens." in objects and "\n" not in objects
    assert "asks to wait 86400 s" in error_of(made, "later", "no-quota")
    nobody = f"http://127.0.0.1:{free_port()}/v1"
    absent = error_of(made, "fine", "no-server", url=nobody)
    assert absent.startswith(f"the endpoint {nobody} failed a request (no connection") and "start the server" in absent
    monkeypatch.delenv("UNSET_KEY", raising=False)
    assert "environment variable UNSET_KEY" in error_of(made, "fine", "no-env", key_env="UNSET_KEY")
    for word in ("no-key", "no-model", "no-room", "no-quota"):
        assert list(get(f"{faults}/seen?prefix={word}")["asked"].values()) == [1]


def test_a_server_that_stays_broken_is_named_and_what_it_answered_is_kept(made, faults):
    writer, requests = made("broken", "broken", 8, in_flight=1, retries=2)
    with pytest.raises(UserError, match=r"failed a request 3 times \(status 500: CUDA error\): .*kept and not asked"):
        writer.write(requests, Sampling())
    seen = get(f"{faults}/seen?prefix=broken")
    assert seen["asked"] == {"broken 0": 1, "broken 1": 1, "broken 2": 1, "broken 3": 3}
    log = AnswerLog(writer.folder, writer.endpoint, Sampling())
    assert [a.text for a in log.read({log.key(r) for r in requests}).values()] == said(requests[:3])


def test_a_missing_image_is_named(made):
    writer, [request] = made("fine", "blind")
    lost = Request(Conversation("f" * 64, request.conversation.messages), 1)
    with pytest.raises(UserError, match="holds no image ffff"):
        writer.write([lost], Sampling())


def test_it_works_inside_a_running_event_loop(made):
    writer, requests = made("fine", "notebook", 2)

    async def cell():
        return writer.write(requests, Sampling())

    assert asyncio.run(cell()) == said(requests)


def test_nothing_asked_is_nothing_said(tmp_path):
    nobody = Endpoint(url="http://127.0.0.1:9/v1", model="any", key_env="NOT_EVEN_READ")
    assert EndpointWriter(nobody, Path(tmp_path), Path(tmp_path)).write([], Sampling()) == []
