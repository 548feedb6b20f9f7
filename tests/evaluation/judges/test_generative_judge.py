"""A judge that writes: what it is asked in which order, how its texts are read, and what a biased one looks like."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from judged_items import BALLS, STAR, describe, noise, pair, yes_no

from vlrm.errors import UserError
from vlrm.evaluation.judges.generative import GenerativeJudge, Voting, better_answer, drawn_orders, yes_or_no
from vlrm.evaluation.judges.pens import EndpointPen, LocalPen
from vlrm.policy.endpoint_settings import Endpoint
from vlrm.policy.protocol import Sampling

FIRST, SECOND = "Overall Judgment: Answer 1 is better.", "Overall Judgment: Answer 2 is better."


class Pen:
    """Writes what a function of the asked text says, and remembers what was asked."""

    name = "scripted"
    identity = "scripted"

    def __init__(self, said=lambda text: FIRST):
        self.said, self.asked, self.samplings = said, [], []

    def write(self, asked, sampling):
        self.asked += asked
        self.samplings += [sampling] * len(asked)
        return [self.said(messages[0]["content"][-1]["text"]) for _, messages, _ in asked]


def shown_first(text: str, answer: str) -> bool:
    return text.index(answer) == text.index("Answer 1: ") + len("Answer 1: ")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (FIRST, 1),
        (SECOND, 2),
        ("**Overall Judgment:**\n\n**Answer 2** is better", 2),
        ("overall judgment - I think that answer 1 is the better one", 1),
        ("Therefore, Answer 2 is slightly better.", 2),
        ("Therefore, Answer 1 is better in form. Overall Judgment: Answer 2 is better.", 2),
        ("Answer 1 is better in accuracy. Overall Judgment: Answer 2 is the slightly better one", 2),
        ("Answer 1 is better.", None),
        ("Overall Judgment: both are equally good.", None),
        ("Overall Judgment: Answer 3 is better.", None),
        ("Overall Judgment: Answer 12 is better.", None),
        ("", None),
    ],
)
def test_the_verdict_is_read_as_the_official_parser_reads_it(text, number):
    assert better_answer(text) == number


@pytest.mark.parametrize(
    ("text", "said"),
    [("Yes, there is.", 0), ("yes", 0), ("No. Yes.", 1), ("There is not a star", 1), ("There isn't, yes", 1),
     ("A star. Yes", None), ("I know", None), ("", None)],
)  # fmt: skip
def test_yes_and_no_are_words_of_the_first_sentence(text, said):
    assert yes_or_no(text) == said


@pytest.mark.parametrize("votes", [2, 3, 5, 6])
def test_each_order_is_shown_about_as_often_and_the_seed_decides_which(votes):
    drawn = [drawn_orders(votes, 0, str(key)) for key in range(400)]
    assert all(len(one) == votes and min(one.count(0), one.count(1)) == votes // 2 for one in drawn)
    assert drawn == [drawn_orders(votes, 0, str(key)) for key in range(400)]
    assert drawn != [drawn_orders(votes, 1, str(key)) for key in range(400)]
    first = sum(order for one in drawn for order in one) / (400 * votes)
    assert 0.45 < first < 0.55


def test_a_judge_that_sees_the_better_answer_prefers_it_in_both_orders():
    pen = Pen(lambda text: FIRST if shown_first(text, STAR) else SECOND)
    star, balls = GenerativeJudge(pen).judge([pair("1", STAR, BALLS), pair("2", BALLS, STAR)], noise(2))
    assert [one.preferred for one in star] == [0] * 5 and [one.preferred for one in balls] == [1] * 5
    assert {one.order for one in star} == {0, 1} and sorted(one.vote for one in star) == [0, 1, 2, 3, 4]
    assert all(sampling.temperature == 0.2 and sampling.top_p == 0.2 for sampling in pen.samplings)
    assert len({seed for _, _, seed in pen.asked}) == 10


def test_a_judge_that_always_says_1_contradicts_itself():
    [said] = GenerativeJudge(Pen()).judge([pair()], noise(1))
    assert {(one.order, one.preferred) for one in said} == {(0, 0), (1, 1)}


def test_what_cannot_be_read_is_kept_and_prefers_nothing():
    [said] = GenerativeJudge(Pen(lambda text: "I like both.")).judge([pair()], noise(1))
    assert all(one.preferred is None and one.text == "I like both." and one.problem is None for one in said)


def test_questions_of_yes_or_no_and_descriptions_are_asked_as_they_are_and_once():
    pen = Pen(lambda text: "No, none." if text.startswith("Is") else "A star and a ball.")
    items = [yes_no("1"), pair("2"), describe("3"), yes_no("4", "<image>\nIs it red?", image=None)]
    image = noise(1)[0]
    found = GenerativeJudge(pen, Voting(votes=2, answer_tokens=7)).judge(items, [image, image, image, None])
    assert [len(one) for one in found] == [1, 2, 1, 1]
    assert found[0][0].preferred == 1 and found[0][0].text == "No, none."
    assert found[2][0].preferred is None and found[2][0].text == "A star and a ball."
    asked = {messages[0]["content"][-1]["text"]: messages[0]["content"] for _, messages, _ in pen.asked}
    assert [part["type"] for part in asked["Is it red?"]] == ["text"]
    assert [part["type"] for part in asked["Is there a star?"]] == ["image", "text"]
    assert [(s.temperature, s.max_new_tokens) for s in pen.samplings[2:]] == [(0, 7)] * 3


def test_the_fingerprint_is_of_the_model_and_of_how_it_is_asked(tiny_folder, tmp_path):
    pen = LocalPen(str(tiny_folder), "float32", "cpu", None)
    same = LocalPen(str(tiny_folder), "float32", "cpu", None)
    one = GenerativeJudge(pen).fingerprint
    assert one == GenerativeJudge(same).fingerprint
    faster = Voting(sampling=Sampling(temperature=0.2, top_p=0.2, max_new_tokens=2048, batch_size=4))
    assert one == GenerativeJudge(pen, faster).fingerprint
    others = [
        GenerativeJudge(pen, Voting(votes=3)), GenerativeJudge(pen, seed=1),
        GenerativeJudge(LocalPen(str(tiny_folder), "float32", "cpu", 1000)), GenerativeJudge(Pen()),
    ]  # fmt: skip
    assert len({one, *(other.fingerprint for other in others)}) == 5


def test_a_local_model_writes_about_images_in_memory_and_lets_go_of_them(tiny_folder):
    pen = LocalPen(str(tiny_folder), "float32", "cpu", None)
    voting = Voting(votes=2, sampling=Sampling(temperature=0.2, max_new_tokens=4), answer_tokens=4)
    items = [pair("1"), pair("2"), yes_no("3", image=None)]
    images = [*noise(2), None]
    judge = GenerativeJudge(pen, voting)
    found = judge.judge(items, images)
    assert [len(one) for one in found] == [2, 2, 1] and not pen.vlm._held
    alone = [judge.judge([item], [image])[0] for item, image in zip(items, images, strict=True)]
    assert [[one.text for one in said] for said in found] == [[one.text for one in said] for said in alone]


@pytest.fixture
def endpoint(monkeypatch):
    """A server of chat completions on loopback that prefers the answer about a star; and what it was asked."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    asked = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            content = body["messages"][0]["content"]
            text = content if isinstance(content, str) else content[-1]["text"]
            said = "Yes." if "Answer 1: " not in text else FIRST if shown_first(text, STAR) else SECOND
            reply = json.dumps({"choices": [{"message": {"content": said}, "finish_reason": "stop"}]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Endpoint(url=f"http://127.0.0.1:{server.server_port}/v1", model="judge", in_flight=1), asked
    server.shutdown()
    server.server_close()


def test_an_endpoint_judges_is_shown_the_images_and_is_asked_nothing_twice(endpoint, tmp_path):
    settings, asked = endpoint
    judge = GenerativeJudge(EndpointPen(settings, tmp_path), Voting(votes=2))
    items, images = [pair("1", BALLS, STAR), yes_no("2", image=None)], [noise(1)[0], None]
    found = judge.judge(items, images)
    assert [one.preferred for one in found[0]] == [1, 1] and [one.preferred for one in found[1]] == [0]
    shown = [isinstance(body["messages"][0]["content"], list) for body in asked]
    assert sorted(shown) == [False, True, True] and len({body["seed"] for body in asked}) == 3
    assert judge.judge(items, images) == found and len(asked) == 3


def test_a_prompt_of_ones_own_is_asked_word_by_word_and_belongs_to_the_fingerprint(tmp_path):
    file = tmp_path / "official.txt"
    file.write_text("Q: {question}\nA: {first}\nB: {second}\nIn JSON: {x}")
    ours, pen = GenerativeJudge(Pen()), Pen()
    judge = GenerativeJudge(pen, Voting(votes=2, prompt=file))
    judge.judge([pair("a", "one {second}", "two")], [noise(1)])
    asked = {messages[0]["content"][-1]["text"] for _, messages, _ in pen.asked}
    question = pair("a", "one {second}", "two").question
    assert f"Q: {question}\nA: one {{second}}\nB: two\nIn JSON: {{x}}" in asked
    assert judge.fingerprint != ours.fingerprint
    file.write_text("Q: {question}, {first}")
    with pytest.raises(UserError, match=r"official\.txt has no place for \{second\}"):
        GenerativeJudge(Pen(), Voting(prompt=file))
    with pytest.raises(UserError, match="cannot be read"):
        GenerativeJudge(Pen(), Voting(prompt=tmp_path / "gone.txt"))
