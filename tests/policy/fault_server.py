"""An OpenAI-compatible server that fails on purpose: ``python fault_server.py PORT``.

The model's name says how it behaves. It answers every question with ``said: <question>`` and remembers, for each question,
how often it was asked and answered; ``GET /seen?prefix=`` tells.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
from collections import Counter, defaultdict
from email.utils import formatdate
from time import time
from urllib.parse import parse_qs

import uvicorn
from PIL import Image

FAULTS = ("stall", "half", "rate", "date", "error", "garbage", "html", "trickle", "empty")
CROWD = 32

asked: Counter[str] = Counter()
answered: Counter[str] = Counter()
bodies: dict[str, dict] = {}
inside: dict[str, int] = defaultdict(int)
most: dict[str, int] = defaultdict(int)
crowds: dict[str, asyncio.Event] = defaultdict(asyncio.Event)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/seen":
        prefix = parse_qs(scope["query_string"].decode())["prefix"][0]
        await reply(send, 200, {
            "asked": {q: n for q, n in asked.items() if q.startswith(prefix)},
            "answered": {q: n for q, n in answered.items() if q.startswith(prefix)},
            "bodies": {q: b for q, b in bodies.items() if q.startswith(prefix)},
            "most": most[prefix],
        })  # fmt: skip
        return
    raw = b""
    while True:
        message = await receive()
        raw += message.get("body", b"")
        if not message.get("more_body"):
            break
    body = json.loads(raw)
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    question = remember(body, headers)
    prefix = question.split()[0]
    inside[prefix] += 1
    most[prefix] = max(most[prefix], inside[prefix])
    try:
        await behave(body["model"], question, headers, receive, send)
    finally:
        inside[prefix] -= 1


def remember(body, headers) -> str:
    content = body["messages"][-1]["content"]
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    question = next(part["text"] for part in parts if part["type"] == "text")
    asked[question] += 1
    seen = {name: value for name, value in body.items() if name != "messages"}
    seen["roles"] = [message["role"] for message in body["messages"]]
    seen["authorization"] = headers.get("authorization")
    for message in body["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image_url":
                kind, data = part["image_url"]["url"].split(",")
                seen["image"] = [kind, *Image.open(io.BytesIO(base64.b64decode(data))).size]
    bodies[question] = seen
    return question


async def behave(model, question, headers, receive, send):
    first = asked[question] == 1
    if model == "faulty":
        number = int(question.split()[1])
        attempt = asked[question] - 1
        if attempt < 1 + number % 3:  # one to three faults in a row, each kind by turns
            await fail(FAULTS[(number + attempt) % len(FAULTS)], receive, send)
            return
    elif model == "crowd" and first:
        crowd = crowds[question.split()[0]]
        if inside[question.split()[0]] >= CROWD:
            crowd.set()
        await asyncio.wait_for(crowd.wait(), 60)
    elif model == "slow":
        await asyncio.sleep(0.05)
    elif model == "wrong-key":
        await reply(send, 401, {"error": {"message": f"bad key: {headers.get('authorization')}"}})
        return
    elif model == "unknown":
        await reply(send, 404, {"error": {"message": "The model `unknown` does not exist."}})
        return
    elif model == "objects":
        await reply(send, 400, {"error": {"message": "This model's maximum context\nlength is 16 tokens."}})
        return
    elif model == "broken" and int(question.split()[1]) >= 3:
        await reply(send, 500, {"error": {"message": "CUDA error"}})
        return
    elif model == "later":
        await reply(send, 429, {"error": {"message": "quota"}}, {"retry-after": "86400"})
        return
    answered[question] += 1
    await reply(send, 200, completion(f"said: {question}"))


async def fail(kind, receive, send):
    whole = json.dumps(completion("never read")).encode()
    if kind == "stall":
        while (await receive())["type"] != "http.disconnect":
            pass
    elif kind == "half":  # the length is announced, so that the client can see what is missing
        await start(send, 200, {"content-length": str(len(whole))})
        await send({"type": "http.response.body", "body": whole[: len(whole) // 2], "more_body": False})
    elif kind == "rate":
        await reply(send, 429, {"error": {"message": "too many requests"}}, {"retry-after": "1"})
    elif kind == "date":
        await reply(send, 503, {"error": "loading"}, {"retry-after": formatdate(time() + 1, usegmt=True)})
    elif kind == "error":
        await reply(send, 500, {"error": {"message": "out of memory"}})
    elif kind == "garbage":  # no length announced: only the JSON shows it
        await start(send, 200, {})
        await send({"type": "http.response.body", "body": whole[:-20], "more_body": False})
    elif kind == "html":
        await start(send, 200, {"content-type": "text/html"})
        await send({"type": "http.response.body", "body": b"<html>proxy</html>", "more_body": False})
    elif kind == "empty":
        await reply(send, 200, {"choices": [], "error": {"message": "upstream"}})
    elif kind == "trickle":  # every byte comes in time, the answer never
        await start(send, 200, {})
        hangs_up = asyncio.create_task(receive())
        while not hangs_up.done():
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.sleep(0.1)


def completion(text):
    message = {"role": "assistant", "content": text}
    return {
        "id": "1", "object": "chat.completion", "created": 0, "model": "any",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }  # fmt: skip


async def start(send, status, headers):
    headers = {"content-type": "application/json"} | headers
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def reply(send, status, body, headers=None):
    whole = json.dumps(body).encode()
    await start(send, status, {"content-length": str(len(whole))} | (headers or {}))
    await send({"type": "http.response.body", "body": whole})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
