"""A benchmark in parts: nothing is asked twice, views show what they say, bad images stop nobody, memory stays flat."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks import run as module
from vlrm.evaluation.benchmarks.item import Item
from vlrm.evaluation.benchmarks.run import run
from vlrm.evaluation.judges.protocol import JUDGED, Judgement
from vlrm.images import RefusedImage

ROOT = Path(__file__).parents[3]


class Looker:
    """Rewards an answer by the brightness of the image, and remembers what it was shown."""

    name = "looker"
    fingerprint = "looker"
    looks = True
    ordered = False

    def __init__(self):
        self.asked: list[tuple[str, Image.Image | None]] = []
        self.calls: list[int] = []

    def judge(self, items, images):
        self.calls.append(len(items))
        if any(image is not None and image.width == 7 for image in images):
            raise RefusedImage("images of 7 pixels are refused")
        self.asked += [(item.key, image) for item, image in zip(items, images, strict=True)]
        return [[Judgement(0, 0, 0, bright(image), 0.5)] for image in images]


def bright(image) -> float:
    return -1.0 if image is None else float(np.asarray(image).mean())


def png(shade: int, size: int = 8) -> bytes:
    """Half black, half of a shade, so that a blank one is another image."""
    image = Image.new("L", (size, 8), shade)
    image.paste(0, (0, 0, size, 4))
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "PNG")
    return stream.getvalue()


def item(number: int, image: str | bytes | None, task: str = "pair") -> Item:
    return Item(f"{number:016x}", str(number), task, "Which?", image, ("One.", "Two."), 0, "all")


@pytest.fixture
def items():
    return [item(i, png(40 * i + 40)) for i in range(5)]


def rows(done) -> list[dict]:
    return pq.read_table(done.file).to_pylist()


def test_judgements_are_those_of_the_judge_in_the_order_of_the_items(items, tmp_path, monkeypatch):
    whole = run(Looker(), items, tmp_path / "whole")
    assert [row["key"] for row in rows(whole)] == [one.key for one in items]
    assert [row["reward_0"] for row in rows(whole)] == [bright(Image.open(io.BytesIO(one.image))) for one in items]
    monkeypatch.setattr(module, "PART", 2)
    judge = Looker()
    assert rows(run(judge, items, tmp_path / "parts")) == rows(whole) and judge.calls == [2, 2, 1]
    assert pq.read_schema(whole.file).equals(JUDGED)


def test_what_is_written_is_not_asked_again(items, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PART", 2)
    first = run(Looker(), items, tmp_path)
    judge = Looker()
    again = run(judge, items, tmp_path)
    assert judge.calls == [] and (first.asked, again.asked, again.items) == (5, 0, 5)
    grown = run(judge, [*items, item(9, png(250))], tmp_path)
    assert judge.calls == [2] and len(rows(grown)) == 6  # the last part is another one now
    changed = [*items[:2], item(2, png(3)), *items[3:]]
    assert run(judge, changed, tmp_path).asked == 2 and len(rows(run(judge, changed, tmp_path))) == 5


def test_a_changed_image_file_is_asked_again(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(png(40))
    judge, asked = Looker(), [item(1, "a.png")]
    run(judge, asked, tmp_path / "out", tmp_path / "images")
    (tmp_path / "images" / "a.png").write_bytes(png(200))
    [row] = rows(run(judge, asked, tmp_path / "out", tmp_path / "images"))
    assert judge.calls == [1, 1] and row["reward_0"] == 100


def test_blank_and_swapped_show_the_mean_and_another_items_image(items, tmp_path):
    judge = Looker()
    asked = [*items, item(7, None), item(8, items[0].image)]
    done = run(judge, asked, tmp_path, views=("image", "blank", "swapped"), seed=1)
    found = {(row["view"], row["key"]): row for row in rows(done)}
    assert {view for view, _ in found} == {"image", "blank", "swapped"} and done.items == 7 + 6 + 6
    assert ("image", asked[5].key) in found and ("blank", asked[5].key) not in found
    shown = judge.asked[7:13]
    assert all(np.asarray(image).std() == 0 and image.size == (8, 8) for _, image in shown)
    own = {one.key: bright(Image.open(io.BytesIO(one.image))) for one in asked if one.image}
    for key, image in judge.asked[13:]:
        assert bright(image) != own[key] and bright(image) in own.values()
    again = rows(run(Looker(), asked, tmp_path / "again", views=("image", "blank", "swapped"), seed=1))
    assert again == rows(done)


def test_one_image_for_all_cannot_be_swapped(tmp_path):
    done = run(Looker(), [item(1, png(40)), item(2, png(40))], tmp_path, views=("image", "swapped"))
    assert [row["problem"] is None for row in rows(done)] == [True, True, False, False]
    assert done.refused == 2 and "No other image" in done.problem


def test_a_judge_that_does_not_look_opens_no_image_and_is_asked_once(tmp_path):
    judge = Looker()
    judge.looks = False
    done = run(judge, [item(1, "gone.png"), item(2, b"no image")], tmp_path, views=("image", "blank", "swapped"))
    assert done.items == 2 and [image for _, image in judge.asked] == [None, None]


def test_bad_images_are_problems_of_their_items_alone(items, tmp_path):
    bad = [item(10, "gone.png"), item(11, "../a.png"), item(12, b"no image"), item(13, png(90, size=7))]
    done = run(Looker(), [*items, *bad], tmp_path / "out", tmp_path)
    told = {row["key"]: row["problem"] for row in rows(done)}
    assert [told[one.key] for one in items] == [None] * 5 and done.refused == 4
    for one, said in zip(bad, ("cannot be read", "leaves", "not an image", "7 pixels are refused"), strict=True):
        assert said in told[one.key]


def test_nothing_to_judge_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"not one of 1 items could be judged by looker; the first: .*no folder"):
        run(Looker(), [item(1, "a.png")], tmp_path)
    with pytest.raises(UserError, match="holds no item"):
        run(Looker(), [], tmp_path)


def test_descriptions_are_for_judges_that_write(tmp_path):
    asked = [item(1, png(40)), item(2, png(80), task="describe")]
    done = run(Looker(), asked, tmp_path / "one")
    assert [row["problem"] is None for row in rows(done)] == [True, False]
    writer = Looker()
    writer.describes, writer.part = True, 1
    done = run(writer, asked, tmp_path / "two")
    assert writer.calls == [1, 1] and done.refused == 0


def test_a_part_holds_images_of_so_many_pixels_at_most(items, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TOGETHER", 3 * 64)
    judge = Looker()
    run(judge, [*items, item(9, items[4].image), item(10, png(9, size=100))], tmp_path)
    assert judge.calls == [3, 3, 1]


SCRIPT = """
import sys, time
from pathlib import Path
from vlrm.evaluation.benchmarks import run as module
from vlrm.evaluation.benchmarks.item import Item
from vlrm.evaluation.judges.protocol import Judgement

class Judge:
    name = fingerprint = "judge"
    looks = ordered = False
    asked = 0
    def judge(self, items, images):
        Judge.asked += len(items)
        time.sleep(float(sys.argv[3]))
        return [[Judgement(0, 0, 0, 1.0, 0.0)] for _ in items]

def items(count):
    for i in range(count):
        text = f"The answer number {i} of the benchmark. " * 6
        yield Item(f"{i:016x}", str(i), "pair", "What is in the image?", None, (text, text + "!"), 0, "all")
"""


def python(code: str, *args: object) -> list[str]:
    return [sys.executable, "-c", SCRIPT + textwrap.dedent(code), *map(str, args)]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}


def test_killed_and_started_again_it_asks_what_is_left_and_nothing_else(tmp_path):
    code = """
    module.PART = 10
    done = module.run(Judge(), items(int(sys.argv[2])), Path(sys.argv[1]))
    print(Judge.asked, done.asked, done.items)
    """
    killed = subprocess.Popen(python(code, tmp_path / "out", 300, 0.1), env=environment(), stdout=subprocess.PIPE)
    parts = tmp_path / "out" / "parts"
    while len(list(parts.glob("[!.]*.parquet"))) < 3:
        assert killed.poll() is None
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    kept = len(list(parts.glob("[!.]*.parquet")))
    assert not (tmp_path / "out" / "judged.parquet").exists() and 3 <= kept < 30
    again = subprocess.run(
        python(code, tmp_path / "out", 300, 0), env=environment(), capture_output=True, text=True, check=True
    )
    asked, told, items = map(int, again.stdout.split())
    assert asked == told == 300 - 10 * kept and items == 300
    whole = pq.read_table(tmp_path / "out" / "judged.parquet")
    assert whole.num_rows == 300 and whole["key"].to_pylist() == [f"{i:016x}" for i in range(300)]


def test_memory_does_not_grow_with_the_benchmark(tmp_path):
    code = """
    import json, psutil
    def rss(count):
        module.run(Judge(), items(count), Path(sys.argv[1]) / str(count))
        return psutil.Process().memory_info().rss
    few = rss(int(sys.argv[2]))
    print(json.dumps([few, rss(10 * int(sys.argv[2]))]))
    """
    done = subprocess.run(
        python(code, tmp_path, 10_000, 0), env=environment(), capture_output=True, text=True, check=True
    )
    few, many = json.loads(done.stdout)
    assert pq.read_metadata(tmp_path / "100000" / "judged.parquet").num_rows == 100_000
    assert many - few <= 50 * 2**20
