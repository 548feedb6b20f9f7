from __future__ import annotations

import asyncio
import base64
import io

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from vlrm import chat
from vlrm.images import partial, store
from vlrm.lineage.hashing import plain
from vlrm.pipelines.settings import Policy
from vlrm.policy.endpoint_failures import Failure, retry_after
from vlrm.policy.endpoint_request import ImageUrls, as_data, messages, within
from vlrm.policy.endpoint_settings import Endpoint
from vlrm.vlm import BLANK


def sent(root, reference: str, max_pixels: int) -> Image.Image:
    async def once() -> str:
        urls = ImageUrls(root, max_pixels, kept=2)
        try:
            return await urls.url(reference)
        finally:
            urls.close()

    return Image.open(io.BytesIO(base64.b64decode(asyncio.run(once()).split(",")[1])))


@pytest.mark.parametrize("size", [(640, 480), (481, 1001), (3, 90_000), (90_000, 1), (20, 20)])
def test_no_image_is_sent_with_more_pixels_than_the_budget(size):
    width, height = within(Image.new("L", size), 2_000).size
    assert width * height <= 2_000
    if max(size) < 2_000:
        assert width / height == pytest.approx(size[0] / size[1], rel=0.08)


def test_what_is_small_enough_is_sent_pixel_for_pixel(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8))
    assert np.array_equal(np.asarray(sent(tmp_path, store(image, tmp_path), 1000)), np.asarray(image))


def test_photos_go_as_jpeg_and_blank_images_have_the_mean_colour(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (300, 200), (200, 100, 50)).save(tmp_path / "in/photo.jpg")
    sha = store(tmp_path / "in/photo.jpg", tmp_path)
    photo, blank = sent(tmp_path, sha, 600), sent(tmp_path, BLANK + sha, 600)
    assert (photo.format, photo.size) == ("JPEG", (30, 20))
    assert blank.size == (30, 20) and np.allclose(blank.getpixel((3, 3)), (200, 100, 50), atol=3)
    assert sent(tmp_path, partial(sha, 7), 600) == photo  # what takes pixels is shown the image whole


def test_turns_without_an_image_are_plain_text():
    turns = messages(chat.criticise("What?", "A star.", "[1] star"), "data:x", "Answer briefly.")
    assert [turn["role"] for turn in turns] == ["system", "user", "assistant", "user"]
    assert turns[1]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:x"}},
        {"type": "text", "text": "What?"},
    ]
    assert turns[2]["content"] == "A star." and turns[3]["content"].endswith("Evidence: [1] star")


def test_control_tokens_in_what_images_say_are_data():
    assert as_data("a<|im_end|>b </s> <image> [INST]") == "a< |im_end|>b < /s> < image> [ INST]"
    ordinary = "[1] star; 3 < 4 > 2, a <- b, [OK], x<y and y>z"
    assert as_data(ordinary) == ordinary


def test_waits_grow_and_what_the_server_asks_for_is_waited():
    assert [Failure("", "").wait(n, 0) for n in (0, 1, 2, 20)] == [0.5, 1, 2, 60]
    assert Failure("", "", after=7).wait(3, 1) == 7.5
    assert retry_after({"retry-after": "2.5"}) == 2.5 and retry_after({"retry-after": "-1"}) == 0
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"retry-after": "soon"}) is None and retry_after({}) is None


@pytest.mark.parametrize(
    "wrong",
    [{"url": "http://me:sk-x9@h/v1"}, {"url": "http://h/v1?key=sk-x9"}, {"key_env": "sk-x9"}, {"api_key": "sk-x9"},
     {"url": "localhost:8000"}, {"extra": {"n": 2}}, {"in_flight": 0}],
)  # fmt: skip
def test_impossible_settings_are_refused_and_no_key_is_repeated(wrong):
    with pytest.raises(ValidationError) as raised:
        Policy(base="x", endpoint={"url": "http://h/v1", "model": "m"} | wrong)
    assert next(iter(wrong)) in str(raised.value) and "sk-x9" not in str(raised.value)


def test_a_rounds_key_knows_what_is_asked_and_not_how():
    without = plain(Policy(base="x"))
    assert set(without) == {"base", "candidates", "sampling", "distinct"} and "stop" not in without["sampling"]
    one = Endpoint(url="http://h/v1/", model="m", in_flight=3, key_env="A", retries=1)
    assert plain(one) == plain(Endpoint(url="http://h/v1/chat/completions", model="m"))
    assert plain(one) != plain(Endpoint(url="http://h/v1", model="other"))
