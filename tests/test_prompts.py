"""How a user's images are dealt out: by hash alone, every split with enough, no image in two."""

import hashlib
from collections import Counter

import pyarrow as pa
import pytest

from vlrm.errors import UserError
from vlrm.prompts import LEAST, brought_prompts, deal
from vlrm.schema import BROUGHT, PROMPTS, SCENES


def hashes(number: int) -> list[str]:
    return [hashlib.sha256(str(n).encode()).hexdigest() for n in range(number)]


def test_many_images_are_dealt_by_their_hash_alone():
    fewer, more = deal(hashes(2000), rounds=3), deal(hashes(3000), rounds=3)
    assert all(more[sha] == split for sha, split in fewer.items())
    shares = {name: count / 3000 for name, count in Counter(more.values()).items()}
    assert shares["gate"] == pytest.approx(0.15, abs=0.02) and shares["report"] == pytest.approx(0.25, abs=0.02)
    assert all(shares[f"round {n}"] == pytest.approx(0.2, abs=0.025) for n in (1, 2, 3))


@pytest.mark.parametrize("start", range(20))
def test_a_small_folder_gives_every_split_its_least(start):
    counts = Counter(deal(hashes(40)[start : start + 20], rounds=3).values())
    assert counts == {"gate": LEAST, "report": LEAST, "round 1": LEAST, "round 2": LEAST, "round 3": LEAST}


def test_too_few_images_are_told_how_many_are_needed():
    with pytest.raises(
        UserError, match=r"14 usable images, but rounds=3 needs at least 20 .* fewer rounds \(rounds=1\)"
    ):
        deal(hashes(14), rounds=3)
    with pytest.raises(UserError, match=r"at least 12 .*: bring more images\.$"):
        deal(hashes(11), rounds=1)


def brought(**splits: int) -> pa.Table:
    names = [name.replace("_", " ") for name, number in splits.items() for _ in range(number)]
    rows = [
        {
            "prompt_id": f"p{n}",
            "image": "",
            "image_sha256": sha,
            "question": "?",
            "kind": "free",
            "part": "user",
            "split": name,
        }
        for n, (sha, name) in enumerate(zip(hashes(len(names)), names, strict=True))
    ]
    return pa.Table.from_pylist(rows, BROUGHT)


def test_a_split_draws_its_own_prompts_by_hash_and_nothing_is_known_of_them():
    table = brought(gate=4, round_1=9, round_2=3)
    drawn, truth = brought_prompts(table, "round 1", 5)
    assert drawn.schema == PROMPTS and drawn.num_rows == 5
    assert truth.schema == SCENES and truth.num_rows == 0
    assert set(drawn["prompt_id"].to_pylist()) <= {f"p{n}" for n in range(4, 13)}
    assert brought_prompts(table.take(list(range(15, -1, -1))), "round 1", 5)[0] == drawn
    assert brought_prompts(table, "calibration", 5)[0].num_rows == 0
