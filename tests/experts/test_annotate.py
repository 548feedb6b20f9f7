"""Annotation: each distinct image once, cached, resumable after a kill, and never more than a batch in memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from vlrm.errors import UserError
from vlrm.experts.annotate import annotate, annotate_table
from vlrm.images import relative_path, store
from vlrm.schema import EVIDENCE, Evidence


class Redness:
    """A small real expert that counts its calls: how red an image is."""

    name = "redness"

    def __init__(self, fingerprint="one", batches=None):
        self.fingerprint = fingerprint
        self.batches = [] if batches is None else batches

    def annotate(self, images, found):
        self.batches.append(len(images))
        reds = [image.getpixel((0, 0))[0] for image in images]
        return [
            [Evidence("r1", "object", f"red {red}", (0, 0, 1, 1), red / 255, self.name, self.fingerprint)]
            for red in reds
        ]


class Repeat:
    """Describes what the expert before it found."""

    name = "repeat"
    fingerprint = "two"

    def annotate(self, images, found):
        return [
            [
                Evidence(
                    f"{row.evidence_id}.again",
                    "again",
                    row.label,
                    row.box,
                    1.0,
                    self.name,
                    "two",
                    row.evidence_id,
                )
                for row in rows
            ]
            for rows in found
        ]


@pytest.fixture
def images(tmp_path):
    root = tmp_path / "images"
    shas = [store(Image.new("RGB", (4, 4), (red, 0, 0)), root) for red in range(0, 250, 10)]
    return [(sha, root / relative_path(sha, root)) for sha in shas]


def labels(evidence):
    return [rows[0].label for rows in evidence]


def test_evidence_comes_in_order_and_experts_see_what_was_found_before(images):
    evidence = list(annotate(images, [Redness(), Repeat()], batch_size=4))
    assert labels(evidence) == [f"red {red}" for red in range(0, 250, 10)]
    assert all(rows[1].target == "r1" and rows[1].label == rows[0].label for rows in evidence)


def test_second_run_asks_no_expert_and_says_the_same(images, tmp_path):
    cache = tmp_path / "cache" / "evidence.sqlite"
    first = list(annotate(images, [Redness()], cache=cache))
    again = Redness()
    assert list(annotate(reversed(images), [again], cache=cache)) == first[::-1]
    assert again.batches == []


def test_another_fingerprint_or_others_before_it_ask_again(images, tmp_path):
    cache = tmp_path / "evidence.sqlite"
    list(annotate(images, [Redness()], cache=cache))
    changed, preceded = Redness("changed"), Redness()
    list(annotate(images, [changed], cache=cache))
    list(annotate(images, [Repeat(), preceded], cache=cache))
    assert sum(changed.batches) == sum(preceded.batches) == len(images)


def test_who_looked_alone_does_not_look_again_before_others(images, tmp_path):
    cache = tmp_path / "evidence.sqlite"
    whole = list(annotate(images, [Redness(), Repeat()]))
    list(annotate(images[::2], [Redness()], cache=cache))
    accompanied = Redness()
    assert list(annotate(images, [accompanied, Repeat()], cache=cache)) == whole
    assert sum(accompanied.batches) == len(images) // 2
    assert list(annotate(images, [Redness(), Repeat()], cache=cache)) == whole


def test_only_new_images_are_looked_at_and_repeated_ones_once(images, tmp_path):
    cache = tmp_path / "evidence.sqlite"
    list(annotate(images[:20], [Redness()], cache=cache))
    expert = Redness()
    evidence = list(annotate([*images, images[-1], images[-1]], [expert], batch_size=32, cache=cache))
    assert expert.batches == [5] and len(evidence) == 27 and evidence[-1] == evidence[-2]


def test_a_stream_is_read_one_batch_ahead(images):
    taken = []
    stream = annotate((taken.append(pair) or pair for pair in images), [Redness()], batch_size=4)
    next(stream)
    assert len(taken) == 4


KILLED = """
import os, sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_annotate import Redness, annotate
class Dies(Redness):
    def annotate(self, images, found):
        if len(self.batches) == 3:
            os.kill(os.getpid(), 9)
        return super().annotate(images, found)
images = [(line.split()[0], Path(line.split()[1])) for line in sys.stdin]
list(annotate(images, [Dies()], batch_size=4, cache=Path({cache!r})))
"""


def test_after_a_kill_only_the_batch_in_flight_is_lost(images, tmp_path):
    cache = tmp_path / "evidence.sqlite"
    listed = "\n".join(f"{sha} {path}" for sha, path in images)
    path = [str(Path(__file__).parent), *filter(None, sys.path)]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(cache=str(cache), path=path)],
        input=listed, text=True, check=False, capture_output=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert killed.returncode == -9, killed.stderr
    expert = Redness()
    assert labels(annotate(images, [expert], batch_size=4, cache=cache)) == [f"red {red}" for red in range(0, 250, 10)]
    assert sum(expert.batches) == len(images) - 12


def test_table_has_each_distinct_image_once(images):
    table = annotate_table([*images, *images], [Redness(), Repeat()], batch_size=8)
    assert table.schema == EVIDENCE and table.num_rows == 2 * len(images)
    assert table["image_sha256"].to_pylist()[::2] == [sha for sha, _ in images]
    assert annotate_table([], [Redness()]).schema == EVIDENCE


def test_trouble_is_one_sentence(images, tmp_path):
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"this is no database, but long enough to be taken for one" * 40)
    with pytest.raises(UserError, match=r"broken\.sqlite cannot be used"):
        list(annotate(images, [Redness()], cache=broken))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be used"):
        list(annotate(images, [Redness()], cache=tmp_path / "file" / "cache.sqlite"))
    with pytest.raises(UserError, match=r"gone\.png does not exist"):
        list(annotate([("0" * 64, tmp_path / "gone.png")], [Redness()]))
