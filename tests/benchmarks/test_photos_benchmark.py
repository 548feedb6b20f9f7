"""The photos benchmark: folds without leaks, truth by people, figures from what runs left on disk."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from vlrm.claims.naming import objects_named
from vlrm.experts.coco import LABELS
from vlrm.rejection_sampling.offer import OFFERED
from vlrm.rejection_sampling.rule import Rule

FOLDER = Path(__file__).parents[2] / "benchmarks"
SHOWN = (("dog", "frisbee", "person"), ("cat", "couch", "book"), ("bus", "car", "person"), ("horse", "person", "dog"))


def module(name: str):
    sys.path.insert(0, str(FOLDER))  # as for a script: what benchmarks share stands beside them
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    found = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


exam, figures, folds, arms, main, tables = (
    module(f"photos{name}") for name in ("_exam", "_figures", "_folds", "_arms", "", "_tables")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sixteen photos of four kinds with boxes and a caption each."""
    root = tmp_path_factory.mktemp("photos")
    (root / "images").mkdir()
    images, boxes, captions = [], [], []
    ids = {noun: number for number, noun in enumerate(LABELS, start=1)}
    for number in range(16):
        name, nouns = f"{number:03d}.jpg", SHOWN[number % 4]
        Image.new("RGB", (40, 40), (number * 9, 3, 5)).save(root / "images" / name)
        url = f"http://images.cocodataset.org/{'val2017' if number % 2 else 'train2017'}/{name}"
        images.append({"id": number, "file_name": name, "width": 40, "height": 40, "coco_url": url})
        boxes += [
            {"id": len(boxes) + k, "image_id": number, "category_id": ids[noun], "bbox": [10 * k, 2, 8, 20], "iscrowd": 0,
             "area": 160}
            for k, noun in enumerate(nouns)
        ]  # fmt: skip
        captions.append({"id": number, "image_id": number, "caption": f"A photo of a {nouns[0]}. "})
    categories = [{"id": number, "name": noun} for noun, number in ids.items()]
    (root / "instances.json").write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    (root / "captions.json").write_text(json.dumps({"images": images, "annotations": captions}))
    return root


@pytest.fixture(scope="module")
def photos(folder):
    return exam.read_photos(folder)


def test_folds_are_of_one_size_and_no_run_is_given_its_own_photos(photos, tmp_path):
    by_fold = {fold: {name for name in photos.sha if photos.fold(name) == fold} for fold in range(4)}
    assert [len(names) for names in by_fold.values()] == [4] * 4 and set().union(*by_fold.values()) == set(photos.sha)
    given = {path.name for path in folds.Run(tmp_path, 1, 0).training(photos).iterdir()}
    assert given == set(photos.sha) - by_fold[1]


def test_captions_are_paired_with_what_people_say_is_not_there(photos):
    items = exam.caption_pairs(photos, "What is it?")
    assert items and {item.better for item in items} == {0, 1}
    for item in items:
        true, false = item.responses[item.better], item.responses[1 - item.better]
        assert (str(item.image), true) in photos.captions and true != false
        noun = false.removesuffix(".").rpartition(" ")[2]
        assert noun not in photos.there[item.image]


def test_an_edit_to_what_a_caption_names_is_no_falsehood(photos):
    for item in exam.caption_pairs(photos, "What is it?"):
        said = item.responses[1 - item.better]
        assert not {noun for noun, there in objects_named(said).items() if there} & photos.there[str(item.image)]


def scored(photos, items, right: float) -> dict:
    """A fold in which round 0 has all wrong and the last round this share of each image's items right."""
    last = {item.key: [0.0, 1.0] if item.better == 1 else [1.0, 0.0] for item in items}
    for number, item in enumerate(items):
        if number >= right * len(items):
            last[item.key] = last[item.key][::-1]
    zero = {item.key: [1.0, 0.0] if item.better == 1 else [0.0, 1.0] for item in items}
    texts = [
        {"image": name, "question": "?", "sample": k, "text": text, "reward": reward, "plain": -reward}
        for name in sorted(photos.sha)
        for k, (text, reward) in enumerate((("A dog, a cat and a bus.", 0.0), ("A dog.", 1.0)))
    ]
    blind = {"blank": {key: [0.0, 0.0] for key in last}, "swapped": zero}
    plain = {"00": last, "02": zero}  # the other way round, so that one taken for the other is seen
    return {"rewards": {"00": zero, "02": last}, "plain": plain, "blind": blind, "texts": exam.chair(texts, photos)}


def test_figures_are_those_of_the_items(photos):
    pairs, questions = exam.caption_pairs(photos, "What is it?"), exam.pope(photos)
    items = pairs + questions
    rule = {item.key: 1.0 for item in items}
    text = {item.key: 0.5 for item in items}
    found = figures.figures_of([scored(photos, items, 1.0)], items, photos, rule, text)
    assert found["pair_accuracy"]["value"] == 1.0 and found["pair_accuracy_round0"]["value"] == 0.0
    assert found["pair_accuracy_plain"]["value"] == 0.0 and found["pair_accuracy_round0_plain"]["value"] == 1.0
    assert found["chair_best_of_8_plain"]["value"] > found["chair_best_of_8"]["value"]
    assert found["pair_accuracy_blank"]["value"] == 0.5 and found["pope_adversarial_accuracy_swapped"]["value"] == 0.0
    assert found["pair_gain"]["value"] == 1.0 and found["pair_gain"]["n"] == len(pairs)
    assert found["pope_adversarial_accuracy"]["value"] == 1.0 and found["text_only_accuracy"]["value"] == 0.5
    assert (
        found["detector_only_pope_adversarial_accuracy"]["value"] == 1.0 and found["pair_over_detector"]["value"] == 0
    )
    assert found["pair_accuracy_where_detector_errs_or_ties"] is None
    half = figures.figures_of([scored(photos, items, 0.5)], items, photos, rule, text)
    assert half["pair_accuracy"]["value"] > half["pope_adversarial_accuracy"]["value"]
    assert set(main.SHOWN) <= found.keys()


def test_the_tables_of_the_docs_find_their_figures(photos):
    items = exam.caption_pairs(photos, "What is it?") + exam.pope(photos)
    rule, text = {item.key: 1.0 for item in items}, {item.key: 0.5 for item in items}
    found = figures.figures_of([scored(photos, items, 1.0)], items, photos, rule, text)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in tables.judged(found).splitlines()]
    assert len(rows) == 6 and all(cells[1].startswith("100.0") and "-" not in cells[1:5] for cells in rows[2:])
    assert [cells[-1] for cells in rows[2:]] == ["+0.0 (+0.0 to +0.0)"] * 4
    point = {"source": "other", "tau": 0.85, "offered": 4, "kept": 2, "judged": 0, "precision": None}
    assert tables.precision_yield([point]).splitlines()[2] == "| other | 50: - |"
    assert set(tables.BEST_OF.values()) <= found.keys()
    assert tables.rule([point, point | {"tau": 0.9}], 0.85).splitlines()[2:] == ["| other | 4 | 2 | 0 | - |"]


def test_choosing_by_reward_changes_what_is_said_and_is_told(photos):
    items = exam.pope(photos)
    found = figures.figures_of(
        [scored(photos, items, 1.0)], items, photos, {i.key: 1 for i in items}, {i.key: 0 for i in items}
    )
    # "A dog, a cat and a bus." names one thing that is there and two that are not on every photo but those of horses.
    assert found["chair_first"]["value"] == pytest.approx(2 / 3)
    assert found["chair_best_of_8"]["value"] == pytest.approx(0.5)
    assert found["coverage_of_first"]["value"] == pytest.approx(0.5)


def test_what_the_boxes_choose_says_something():
    said = [("nothing", 0, 0), ("more", 1, 3), ("less", 1, 2), ("false", 2, 0)]
    rows = [
        {"image": "a", "sample": k, "reward": -k, "false": false, "true": true}
        for k, (_, false, true) in enumerate(said)
    ]
    (chosen,) = exam.first_and_best(rows)
    assert (chosen["truest_false"], chosen["truest_true"], chosen["best_true"]) == (1, 3, 0)


def test_items_are_counted_by_who_has_them_right(photos):
    items = exam.caption_pairs(photos, "What is it?") + exam.pope(photos)
    rule = {item.key: float(item.better == 1 and item.task != "pair") for item in items}  # 1: the answer no
    found = {row["items"]: row for row in figures.against_detector([scored(photos, items, 1.0)], items, rule)}
    assert sum(row["number"] for row in found.values()) == len(items)
    yes, no = found["POPE adversarial, answer yes"], found["POPE adversarial, answer no"]
    assert yes["only_reward_model"] == yes["number"] > 0 and no["both_right"] == no["number"] > 0
    wrong = figures.against_detector([scored(photos, items, 0.0)], items, rule)
    assert all(row["only_detector"] + row["both_wrong"] == row["number"] for row in wrong)
    assert not figures.wrong_pairs([scored(photos, items, 1.0)], items, rule)
    lost = figures.wrong_pairs([scored(photos, items, 0.0)], items, rule)
    assert len(lost) == sum(item.task == "pair" for item in items)
    assert {(row["margin"], row["round0_right"], row["detector_right"]) for row in lost} == {(-1.0, False, False)}
    read = [dict(sorted(row.items())) for row in wrong]  # as the file has them
    assert tables.differences(read) == tables.differences(wrong)
    assert tables.differences(read).splitlines()[2].split("|")[1].strip() == wrong[0]["items"]


def test_the_rule_is_judged_by_boxes_for_each_source(photos, tmp_path):
    name = sorted(photos.sha)[0]  # a dog, a frisbee and a person
    row = dict.fromkeys(OFFERED.names) | {
        "image_sha256": photos.sha[name], "question": "Describe it.", "q_minus": 0.0, "verifiable": 1.0,
        "chosen_lowest": 0.9, "rejected_lowest": 0.01, "length_ratio": 1.0,
    }  # fmt: skip
    made = [
        ("other", "There is a dog.", "There is a cat.", 0.96), ("other", "There is a cat.", "There is a dog.", 0.7),
        ("counterfactual", "There is a dog.", "There is a frisbee.", 0.9),
    ]  # fmt: skip
    rows = [
        row | {"pair_id": str(n), "source": source, "chosen": chosen, "rejected": rejected, "q_plus": q}
        for n, (source, chosen, rejected, q) in enumerate(made)
    ]
    (tmp_path / "01").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, OFFERED), tmp_path / "01" / "pairs_offered.parquet")
    curve = {(p["source"], p["tau"]): p for p in exam.rule_curve([tmp_path, tmp_path], photos, Rule())}
    assert curve["other", 0.5] | {"precision": 0.5, "kept": 2, "judged": 2} == curve["other", 0.5]
    assert curve["other", 0.9]["precision"] == 1.0 and curve["other", 0.99]["precision"] is None
    assert curve["counterfactual", 0.8]["kept"] == 1 and curve["counterfactual", 0.8]["judged"] == 0


def test_arms_are_compared_item_by_item(photos):
    items = exam.caption_pairs(photos, "What is it?") + exam.pope(photos)
    right, half, none = (scored(photos, items, share)["rewards"]["02"] for share in (1.0, 0.5, 0.0))
    full = {"rewards": right, "plain": right}
    found = arms.figures_of_arms(full, {"no_quads": {"rewards": half, "plain": none}, "no_critiques": full}, items)
    assert list(found) == ["full", "no_quads", "no_critiques"]
    assert found["full"]["pair_accuracy"]["value"] == 1.0 and "pair_over_full" not in found["full"]
    worse, same = found["no_quads"]["pope_adversarial_over_full"], found["no_critiques"]["pope_adversarial_over_full"]
    assert worse["value"] == found["no_quads"]["pope_adversarial_accuracy"]["value"] - 1 < 0 == same["value"]
    assert found["no_quads"]["pair_over_full"]["value"] == 0 == found["no_quads"]["pair_plain_over_full"]["value"] + 1
    assert all(len(row) == len(arms.HEADS) for row in arms.rows_of_arms(found))


def test_an_arm_is_scored_once_for_each_model_it_was(tmp_path):
    class HeldOut:
        """Rewards by the content of a model's folder."""

        run = folds.Run(tmp_path, 0, 0)

        def __init__(self) -> None:
            self.asked: list[str] = []

        def key(self, model: Path) -> list[str]:
            return [(model / "weights").read_text()]

        def both(self, model: Path) -> tuple[dict[str, list[float]], ...]:
            self.asked.append(model.parts[-3])
            return {"item": [float((model / "weights").read_text()), 0.0]}, {"item": [0.0, 0.0]}

    held_out = HeldOut()
    held_out.run.notes.mkdir(parents=True)
    for name, last in (("no_quads", "02"), ("one_round", "01"), ("exact_labels", "02")):
        (model := held_out.run.line / "ablation" / name / last / "reward_model").mkdir(parents=True)
        (model / "weights").write_text("1")
    first = {"rewards": {"item": [1.0, 0.0]}, "plain": {"item": [0.0, 0.0]}}
    assert arms.scores_of_arms(held_out) == {"no_quads": first, "one_round": first}
    (held_out.run.line / "ablation" / "no_quads" / "02" / "reward_model" / "weights").write_text("2")
    assert arms.scores_of_arms(held_out)["no_quads"]["rewards"] == {"item": [2.0, 0.0]}
    assert held_out.asked == ["no_quads", "one_round", "no_quads"]


def test_a_run_names_its_difference_and_its_costs_add_up(tmp_path):
    run = folds.Run(tmp_path, 0, 1, "no_partial_looks", main.WITHOUT["no_partial_looks"])
    assert run.name == "fold-0-seed-1-no_partial_looks"
    stopped = run.costs()
    run._note(stopped, 7.0, 500.0)
    run._note(stopped, 10.0, 500.0)  # the last that it said before it was killed
    gone_on = run.costs()
    run._note(gone_on, 5.0, 300.0)
    assert run.costs() == {"seconds": 15.0, "peak_memory_mb": 500.0}
    run._note(gone_on, 6.0, 300.0)
    (run.notes / "done").touch()
    run._note(run.costs(), 99.0, 999.0)  # found all done
    assert run.costs()["seconds"] == 16.0
