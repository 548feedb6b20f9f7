from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vlrm import chat
from vlrm.embedded.build import END
from vlrm.embedded.corpus import flatten, place_rows, write_rows
from vlrm.embedded.data import draw_scenes, label_more, render_small, to_pixels
from vlrm.embedded.tower import AMONG, CELLS, SceneTower, SceneTowerConfig
from vlrm.embedded.train import VlmTraining, train_vlm
from vlrm.scenes.render import render
from vlrm.scenes.world import MAX_OBJECTS, SHAPES, Scene, SceneObject
from vlrm.vlm import Vlm

SHIPPED = Path(__file__).parents[2] / "data" / "06_models" / "embedded" / "vlm"


def thing(shape: str, x: float, y: float) -> SceneObject:
    return SceneObject(shape, "green", "small", "plain", None, x, y, 0.06)


def test_training_text_is_what_the_chat_template_writes(tiny):
    messages = chat.verify("Is there a star?", "Yes, a red star.", "See: red star.", 2)
    assert flatten(messages) == tiny[0].text(messages, reply=True)


def test_transformers_alone_reads_it(tmp_path):
    """Without vlrm's own way of sharing features: the processor places as many image tokens as the tower gives."""
    scene = draw_scenes(5, 1)[0]
    image = render(scene)
    vlm = Vlm.load(SHIPPED, tmp_path)
    messages = chat.ask("What is in the image?")
    text = vlm.text(messages, reply=True)
    inputs = vlm.processor(images=[image], text=[text], return_tensors="pt")
    held = [vlm.hold(image)]
    ours = vlm.inputs(held, vlm.token_ids([text], held), side="left")
    assert inputs["input_ids"].tolist() == ours["input_ids"].tolist()
    with torch.no_grad():
        alone, shared = vlm.model(**inputs).logits, vlm.model(**ours).logits
    torch.testing.assert_close(alone, shared, atol=1e-4, rtol=0)


def test_training_pixels_are_the_processors(tiny):
    scene = draw_scenes(1, 1)[0]
    trained_on = to_pixels(np.stack([render_small(scene)]))
    seen = tiny[0].processor.image_processor(images=[render(scene)], return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(trained_on, seen, atol=1e-5, rtol=0)


def test_image_tokens_are_the_surest_cells_objects_first_in_reading_order():
    tower = SceneTower(SceneTowerConfig(tokens=4))
    with torch.no_grad():
        tower.gate.weight.zero_()[0, 0] = 8.0
        tower.gate.bias.fill_(-4.0)
    cells = torch.zeros(1, CELLS, CELLS, 96)
    cells[0, 5, 1, 0], cells[0, 2, 6, 0] = 1.0, 2.0
    tokens = tower.select(cells)[0]
    rows, columns = tokens[:, 96 : 96 + CELLS], tokens[:, 96 + CELLS : 96 + 2 * CELLS]
    assert tokens.shape == (4, 96 + 2 * CELLS + AMONG)
    assert [int(rows[i].argmax()) for i in (0, 1)] == [2, 5]
    assert [int(columns[i].argmax()) for i in (0, 1)] == [6, 1]
    assert tokens[2:].abs().max() < 0.05  # what holds no object is faded out


def test_a_token_says_how_its_object_stands_to_the_others():
    tower = SceneTower(SceneTowerConfig(tokens=4))
    with torch.no_grad():
        tower.shape.weight.zero_()[:, : len(SHAPES)] = 50 * torch.eye(len(SHAPES))
        tower.place.weight.zero_()
    ball, star = SHAPES.index("ball"), SHAPES.index("star")
    features = torch.zeros(1, 4, 96)
    features[0, 0, ball] = features[0, 1, ball] = features[0, 2, star] = 1.0
    cells = torch.tensor([[[0, 0], [0, 4], [4, 0], [7, 7]]]).float()  # column, row
    among = tower.among(features, cells, torch.tensor([[1.0, 1.0, 1.0, 0.0]]))[0].detach()
    alike, every, sides = among.split([MAX_OBJECTS, MAX_OBJECTS, 2 * len(SHAPES)], dim=1)
    sides = sides.reshape(4, len(SHAPES), 2)
    assert (alike[:3].argmax(1) + 1).tolist() == [2, 2, 1]
    assert (every[:3].argmax(1) + 1).tolist() == [3, 3, 3]
    assert sides[0, star].tolist() == pytest.approx([1.0, 0.0], abs=1e-3)  # the star is to the right of the first ball
    assert sides[2, ball].tolist() == pytest.approx([-1.0, 1.0], abs=1e-3)  # balls lie left of it, one of them below
    assert sides[1, star].tolist() == pytest.approx([1.0, -1.0], abs=1e-3)
    assert sides[0, 5].abs().max() == pytest.approx(0.0, abs=1e-3)  # none of that shape


def test_places_name_both_objects_before_their_relation():
    row = place_rows([Scene((thing("star", 0.2, 0.5), thing("ring", 0.8, 0.5), thing("ring", 0.8, 0.8)), 0)], 1, 0)[0]
    assert row.target == f"all three; star one; ring two{END}"  # rings are two: "the ring" would name neither
    row = place_rows([Scene((thing("star", 0.2, 0.5), thing("ring", 0.8, 0.9)), 0)], 1, 0)[0]
    assert "star ring left above" in row.target
    assert "ring star right below" in row.target


def test_more_labels_change_nothing_else():
    drawn = draw_scenes(3, 30)
    labelled = label_more(drawn, 3)
    assert sum(o.text is not None for s in labelled for o in s.objects) > sum(
        o.text is not None for s in drawn for o in s.objects
    )
    assert all(o.text is None for s in labelled for o in s.objects if o.size == "small")
    without = [[replace(o, text=None) for o in s.objects] for s in drawn]
    assert [[replace(o, text=None) for o in s.objects] for s in labelled] == without


def test_half_of_the_responses_to_judge_hold_a_falsehood():
    rows = write_rows(draw_scenes(5, 60), 12, 5, noise=0.0)
    said = [row.target for row in rows if row.target in (f"{chat.YES}{END}", f"{chat.NO}{END}")]
    share = said.count(chat.YES + END) / len(said)
    assert 0.4 < share < 0.62


def test_shipped_weights_are_small_and_say_where_they_come_from():
    weights = load_file(SHIPPED / "model.safetensors")
    assert sum(w.numel() for w in weights.values()) <= 3_000_000
    assert (SHIPPED / "model.safetensors").stat().st_size <= 12 * 2**20
    record = json.loads((SHIPPED / "training.json").read_text())
    assert {"seed", "data_sha256", "validation_loss"} <= record.keys()


def test_a_smaller_copy_learns(tmp_path):
    lines: list[str] = []
    settings = VlmTraining(
        scenes=240,
        validation_scenes=40,
        tower_epochs=3,
        lists_per_scene=3,
        places_per_scene=1,
        conversations_per_scene=1,
        judging_per_scene=2,
        conversations_again=2,
        batch_tokens=800,
    )
    figures = train_vlm(tmp_path, settings, lines.append)
    losses = [float(line.split("loss ")[1].split()[0]) for line in lines if line.startswith("tower epoch")]
    assert losses[-1] < 0.8 * losses[0]
    assert figures["tower_colour"] > 0.3  # chance is 1/8
    assert figures["validation_loss"] < np.log(200)
    assert (tmp_path / "model.safetensors").exists()
