"""The pipelines benchmark and compare: a judge on a user's file from name to figures, and what they refuse."""

from __future__ import annotations

import io
import json

import polars as pl
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from vlrm.errors import UserError
from vlrm.images import store
from vlrm.pipelines.benchmark.nodes import judge_items, report_benchmark
from vlrm.pipelines.benchmark.pipeline import create_pipeline as benchmark_pipeline
from vlrm.pipelines.benchmark.settings import Benchmark
from vlrm.pipelines.compare.nodes import compare_judges, judge_items_twice
from vlrm.pipelines.compare.pipeline import create_pipeline as compare_pipeline
from vlrm.pipelines.settings import Policy, image_store
from vlrm.reward.model import ModelConfig, RewardModel
from vlrm.vlm import Vlm

SAID = ("A star.", "Two blue balls and a ring.", "a small green ring on the table.", "I can see a red star.")


@pytest.fixture
def project(tiny_folder, tmp_path):
    """A data folder with a round 0, and a benchmark of twelve pairs about six images."""
    config = ModelConfig(base=str(tiny_folder), likelihood_scale=2, yes_scale=0.5, verify_form=0, readout="likelihood")
    model = RewardModel(Vlm.load(tiny_folder, tmp_path), config)
    torch.manual_seed(0)
    torch.nn.init.normal_(model.head.last.weight)
    model.save(tmp_path / "data/rounds/default/00/reward_model")
    (tmp_path / "images").mkdir()
    rows = []
    for i in range(6):
        noise = Image.effect_noise((64, 48), 20 * (i + 2)).convert("RGB").resize((72 + i, 54))
        noise.save(tmp_path / "images" / f"{i}.png")
        for j in range(2):
            chosen, rejected = SAID[(i + j) % 4], SAID[(i + j + 1) % 4]
            rows.append({"image": f"{i}.png", "question": f"What is in image {i}?", "chosen": chosen,
                         "rejected": rejected, "category": ("even", "odd")[i % 2], "id": f"{i}-{j}"})  # fmt: skip
    write(tmp_path, rows)
    return tmp_path


def write(folder, rows):
    (folder / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))


def given(project, tiny_folder, **more):
    settings = Benchmark(**{"file": str(project / "mine.jsonl")} | more.pop("benchmark", {}))
    named = {"images": str(project / "images"), "benchmark": settings, "policy": Policy(base=str(tiny_folder)),
             "allow_leaks": False, "seed": 0, "experiment": "default", "data": str(project / "data")}  # fmt: skip
    return named | more


def judged(project, tiny_folder, model="round_0", suite="own", **more):
    return judge_items(model, suite, **given(project, tiny_folder, **more))


def reported(found, project, tiny_folder, **more):
    named = given(project, tiny_folder, **more)
    return report_benchmark(
        found, **{name: named[name] for name in ("benchmark", "policy", "seed", "experiment", "data")}
    )


def test_a_reward_model_is_examined_from_its_name_to_its_figures(project, tiny_folder, capsys):
    found = judged(project, tiny_folder)
    assert found.run.items == 36 and found.run.asked == 36 and found.run.refused == 0
    root = reported(found, project, tiny_folder)
    told = json.loads((root / "own-mine.round_0.json").read_text())
    assert told["model"] == "round_0" and told["items"] == told["judged"] == 12 and told["scalar"]
    rows = {(r["view"], r["key"]): r for r in pq.read_table(found.run.file).to_pylist()}
    right = [row["preferred"] == 0 for (view, _), row in rows.items() if view == "image"]
    assert told["figures"]["accuracy"]["value"] == pytest.approx(sum(right) / 12)
    assert {"blank_accuracy", "swapped_accuracy"} <= told["figures"].keys()
    assert {"always_first", "always_shorter", "always_longer", "text_only"} <= told["baselines"].keys()
    shown = capsys.readouterr().out
    assert "round_0" in shown and "text only" in shown and "36 of 36 (each item by image, blank, swapped)" in shown
    assert "round_0" in (root / "own-mine.round_0.html").read_text()
    assert judged(project, tiny_folder).run.asked == 0


def test_the_table_has_one_row_for_each_judge_and_benchmark(project, tiny_folder):
    for model in ("round_0", "shorter", "longer", "shorter"):
        root = reported(judged(project, tiny_folder, model), project, tiny_folder)
    table = pl.read_parquet(root / "benchmark.parquet")
    assert table["model"].to_list() == ["longer", "round_0", "shorter"]
    page = (root / "own-mine.shorter.html").read_text()
    assert "round_0" in page and "longer" in page  # the other judges of the same items
    accuracy = dict(zip(table["model"], table["accuracy"], strict=True))
    assert accuracy["shorter"] + accuracy["longer"] == pytest.approx(1)


def test_two_judges_are_compared_on_all_that_both_have_sat(project, tiny_folder, capsys):
    named = given(project, tiny_folder)
    with pytest.raises(UserError, match="no benchmark that shorter and longer have both sat"):
        judge_items_twice("shorter", "longer", None, **named)
    both = judge_items_twice("shorter", "longer", "own", **named)
    again = judge_items_twice("shorter", "longer", None, **named)
    assert [[one.asked for one in pair] for pair in again] == [[one.asked for one in pair] for pair in both]
    root = compare_judges(again, **{n: named[n] for n in ("benchmark", "policy", "seed", "experiment", "data")})
    told = json.loads((root / "own-mine.shorter.against.longer.json").read_text())
    difference = told["differences"]["accuracy"]["figure"]["value"]
    assert difference == pytest.approx(
        told["first"]["figures"]["accuracy"]["value"] - told["second"]["figures"]["accuracy"]["value"]
    )
    assert "McNemar" in (root / "shorter.against.longer.html").read_text()
    assert "difference" in capsys.readouterr().out
    with pytest.raises(UserError, match="a=shorter and b=shorter are the same judge"):
        judge_items_twice("shorter", "shorter", "own", **named)
    with pytest.raises(UserError, match="give --params a=NAME,b=NAME"):
        judge_items_twice("shorter", None, "own", **named)


def test_missing_images_are_refused_or_skipped_and_no_matter_to_who_does_not_look(project, tiny_folder):
    (project / "images/0.png").unlink()
    (project / "images/3.png").unlink()
    with pytest.raises(UserError, match=r"2 images of own, which 4 items are about, are not in .* \(0.png, 3.png\)"):
        judged(project, tiny_folder)
    assert judged(project, tiny_folder, "shorter").run.refused == 0
    skip = {"missing_images": "skip"}
    found = judged(project, tiny_folder, benchmark=skip)
    reported(found, project, tiny_folder, benchmark=skip)
    told = json.loads((project / "data/08_reporting/benchmark/own-mine.round_0.json").read_text())
    assert (told["items"], told["judged"]) == (12, 8)


def test_a_reward_model_is_not_examined_on_what_a_round_trained_on(project, tiny_folder):
    place = image_store(str(project / "data"))
    stream = io.BytesIO()  # as a site that hosts photos would keep it: smaller, and compressed again
    Image.open(project / "images/2.png").resize((64, 48)).save(stream, "JPEG", quality=80)
    (project / "again.jpg").write_bytes(stream.getvalue())
    sha = store(project / "again.jpg", place)
    folder = project / "data/rounds/default/01"
    folder.mkdir()
    trained_on = {"image_sha256": sha, "question": "What?", "chosen": "A star.", "rejected": "A ball."}
    pl.DataFrame([trained_on]).write_parquet(folder / "pairs.parquet")
    with pytest.raises(UserError, match=r"2 of 12 items of own-mine .*2-0 = .*01/pairs.parquet.*allow_leaks=true"):
        judged(project, tiny_folder)
    assert judged(project, tiny_folder, "shorter").run.items == 12
    assert judged(project, tiny_folder, allow_leaks=True).run.items == 36


@pytest.mark.parametrize(
    ("model", "suite", "more", "told"),
    [
        ("shorter", None, {}, "no benchmark is named: give --params suite=NAME"),
        ("shorter", "vl_rewardbnch", {}, "Did you mean vl_rewardbench"),
        ("shorter", "pope", {"benchmark": {"file": None}}, r"files of pope are not in .*01_raw/benchmarks/pope"),
        ("shorter", "own", {"benchmark": {"file": "/no/where.jsonl"}}, "does not exist"),
        ("shortr", "own", {}, "no model 'shortr'; did you mean shorter"),
        ("champion", "own", {}, "has no champion yet"),
        ("round_0", "own", {"images": "/no/folder"}, "/no/folder"),
    ],
)
def test_wrong_names_and_paths_are_one_sentence(project, tiny_folder, model, suite, more, told):
    with pytest.raises(UserError, match=told):
        judged(project, tiny_folder, model, suite, **more)


def test_a_row_that_cannot_be_read_is_named(project, tiny_folder):
    write(project, [{"image": "0.png", "question": "What?", "chosen": "A."}])
    with pytest.raises(UserError, match=r"mine.jsonl, row 1.*rejected"):
        judged(project, tiny_folder, "shorter")


def test_settings_need_the_image_among_the_views():
    assert Benchmark(views="image").views == ("image",)
    with pytest.raises(ValueError, match="'image' must be among them"):
        Benchmark(views=["blank"])


def test_the_pipelines_end_in_one_folder_of_results():
    assert {"params:model", "params:suite", "params:allow_leaks"} <= benchmark_pipeline().inputs()
    assert {"params:a", "params:b", "params:suite"} <= compare_pipeline().inputs()
    assert benchmark_pipeline().outputs() == compare_pipeline().outputs() == {"benchmarks"}
