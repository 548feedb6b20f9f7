"""A user's files come in, are dealt out, and are told from the embedded world or not."""

import shutil
from importlib.resources import files
from itertools import islice
from pathlib import Path

import pytest
import sklearn
from PIL import Image

from vlrm.errors import UserError
from vlrm.pipelines.expert_annotation.nodes import draw
from vlrm.pipelines.groundwork.user_nodes import bring, look_at_images, settle_by_evidence
from vlrm.pipelines.settings import Policy, World
from vlrm.scenes.render import render
from vlrm.scenes.world import scenes
from vlrm.schema import BROUGHT, EXAM

ROOT = Path(__file__).parents[2]
POLICY = Policy(base=str(ROOT / "data/06_models/embedded/vlm"))
DETECTOR = [{"name": "detector"}]


@pytest.fixture(autouse=True)
def _at_the_projects_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    for number, scene in enumerate(islice(scenes(31), 14)):
        render(scene).save(folder / f"{number}.{('png', 'jpg', 'webp')[number % 3]}")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n")
    return folder


def test_files_are_brought_in_dealt_out_and_the_rest_is_told(tmp_path, folder, caplog):
    brought, quarantine = bring(str(folder), None, 1, str(tmp_path))
    assert brought.schema == BROUGHT and brought.num_rows == 14
    assert quarantine["item"].to_pylist() == ["broken.png"]
    assert "1 of 15 rows of" in caplog.text and "broken.png" in caplog.text
    drawn = {split: draw(World(), 0, brought, str(tmp_path), split=split) for split in ("gate", "report", "round 1")}
    names = [name for prompts, _ in drawn.values() for name in prompts["prompt_id"].to_pylist()]
    assert sorted(names) == sorted(brought["prompt_id"].to_pylist())
    assert all(prompts.num_rows >= 4 and truth.num_rows == 0 for prompts, truth in drawn.values())
    assert draw(World(gate_prompts=2), 0, brought, str(tmp_path), split="gate")[0].num_rows == 2


def test_without_images_nothing_is_brought_and_prompts_alone_are_refused(tmp_path):
    brought, quarantine = bring(None, None, 3, str(tmp_path))
    assert brought.num_rows == quarantine.num_rows == 0
    assert draw(World(prompts_per_round=3), 0, brought, str(tmp_path), split="round 1")[1].num_rows == 3
    with pytest.raises(UserError, match="prompts= was given without images="):
        bring(None, "prompts.jsonl", 3, str(tmp_path))


def test_too_few_images_are_one_sentence(tmp_path, folder):
    with pytest.raises(UserError, match=r"14 usable images, but rounds=2 needs at least 16 .* \(rounds=1\)"):
        bring(str(folder), None, 2, str(tmp_path))


def test_scenes_are_of_the_embedded_world(tmp_path, folder):
    found = look_at_images(*bring(str(folder), None, 1, str(tmp_path)), DETECTOR, POLICY, str(tmp_path))
    assert (found["images"], found["prompts"], found["set_aside"]) == (14, 14, 1)
    assert found["familiarity"]["strange"] <= 1 and found["familiarity"]["warning"] is None


def test_photos_are_warned_of_unless_own_models_look_at_them(tmp_path, caplog):
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in [*(Path(str(files("ultralytics"))) / "assets").glob("*.jpg"),
                 *(Path(sklearn.__file__).parent / "datasets/images").glob("*.jpg")]:  # fmt: skip
        shutil.copy(path, photos)
        with Image.open(path) as image:
            for part in range(3):
                left = part * image.width // 4
                image.crop((left, 0, left + image.width // 2, image.height)).save(photos / f"{part}{path.name}")
    came = bring(str(photos), None, 1, str(tmp_path))
    found = look_at_images(*came, DETECTOR, POLICY, str(tmp_path))
    assert found["familiarity"]["strange"] >= 14 and "policy.base=FOLDER" in found["familiarity"]["warning"]
    assert found["familiarity"]["warning"] in caplog.text
    own = [{"name": "detector", "settings": {"weights": "mine"}}]
    found = look_at_images(*came, own, Policy(base="Qwen/Qwen2.5-VL-3B-Instruct"), str(tmp_path))
    assert found["images"] == 16 and found["familiarity"] == {"images": 0, "strange": 0, "reasons": {}, "warning": None}


def test_where_truth_is_known_evidence_sets_no_exam(tmp_path):
    nothing = BROUGHT.empty_table()
    settled = settle_by_evidence(*[nothing] * 5, {}, {}, *[None] * 5, 0, str(tmp_path))
    assert settled.schema == EXAM and settled.num_rows == 0
