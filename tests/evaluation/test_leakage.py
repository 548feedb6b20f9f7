"""A planted leak is caught, re-encoded, resized or only as a text; other photos and short texts are none."""

from __future__ import annotations

import io
import logging

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from vlrm.errors import UserError
from vlrm.evaluation import leakage
from vlrm.evaluation.benchmarks.building import pair
from vlrm.evaluation.leakage import WORDS, find_leaks, refuse_leaks, windows
from vlrm.evaluation.looks import ALIKE, NEAR, Gallery, LookCache, look
from vlrm.images import open_image, relative_path, store

LONG = "a brown dog runs over the wet grass while two children in red coats watch it from a small wooden bench nearby"
SHORT = "There is a dog on the grass."


def picture(seed, size=(96, 64)):
    """Blots of colour: no two seeds look alike."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(int(v) for v in rng.integers(0, 256, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = rng.integers(0, size[0]), rng.integers(0, size[1])
        width, height = rng.integers(8, 50, 2)
        draw.ellipse(
            [int(x), int(y), int(x + width), int(y + height)], fill=tuple(int(v) for v in rng.integers(0, 256, 3))
        )
    return image


def jpeg(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


CHANGES = {
    "re-encoded": lambda image: jpeg(image, 30),
    "halved": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC),
    "doubled": lambda image: image.resize((image.width * 2, image.height * 2), Image.Resampling.BILINEAR),
    "made square": lambda image: image.resize((224, 224), Image.Resampling.NEAREST),
    "halved and re-encoded": lambda image: jpeg(image.resize((image.width // 2, image.height // 2)), 50),
}


class Bench:
    """Items about pictures, and a round that trained on some of them."""

    def __init__(self, folder):
        self.folder = folder
        self.rounds, self.store = folder / "rounds", folder / "images"
        self.shown = {}

    def item(self, name, image=None, responses=("Yes, it is.", "No."), question="What is it?", about="picture"):
        if image is not None:
            self.shown[name] = image
        return pair(name, question, None if about is None else f"{name}.png", responses, 0, "all")

    def train(self, image, chosen="A cat.", rejected="A dog.", where="default/01", refused=None, table="pairs"):
        sha = store(image, self.store)
        row = {"image_sha256": sha, "question": "Q?", "chosen": chosen, "rejected": rejected, "refused": refused}
        if table == "critique_targets":
            row = {"image_sha256": sha, "response": chosen, "critique": rejected}
        path = self.rounds / where / f"{table}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        before = pq.read_table(path).to_pylist() if path.exists() else []
        names = {name: pa.string() for name in row}
        pq.write_table(pa.Table.from_pylist([*before, row], pa.schema(names)), path)
        return sha

    def leaks(self, *items, cache=None):
        return find_leaks(items, lambda item: self.shown.get(item.id), self.rounds, self.store, cache)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.mark.parametrize("change", CHANGES)
def test_a_planted_image_is_caught_however_it_was_saved(bench, change):
    for seed in range(8):
        bench.train(picture(100 + seed))
    sha = bench.train(picture(1))
    found = bench.leaks(bench.item("planted", CHANGES[change](picture(1))), bench.item("clean", picture(2)))
    assert [(leak.id, leak.what, leak.image) for leak in found.found] == [("planted", "image", sha)]
    assert found.found[0].where == bench.rounds / "default/01/pairs.parquet"


def test_every_item_about_the_image_and_every_experiment_counts(bench):
    bench.train(picture(1), where="other/arm/03", table="critique_targets")
    first, second = bench.item("one", picture(1)), bench.item("two", picture(1))
    found = bench.leaks(first, second)
    assert [leak.id for leak in found.found] == ["one", "two"]
    assert "other/arm/03/critique_targets.parquet" in str(found.found[0].where)


def test_refused_pairs_were_not_trained_on(bench):
    bench.train(picture(1), refused="length")
    assert bench.leaks(bench.item("one", picture(1))).found == []


def test_a_long_text_about_a_changed_copy_of_the_image_is_caught(bench):
    image = picture(1)
    bench.train(image, chosen=f"I see {LONG}!")
    cropped = image.crop((5, 3, image.width - 4, image.height - 3))
    distance = int(Gallery([look(image)]).distances(look(cropped))[0])
    assert NEAR < distance <= leakage.RESEMBLING  # no longer the same picture by its look alone
    (leak,) = bench.leaks(bench.item("one", cropped, (LONG.upper(), "No."))).found
    assert leak.what == "text"


def test_a_long_text_about_another_image_is_none(bench):
    bench.train(picture(1), chosen=LONG)
    assert bench.leaks(bench.item("one", picture(2), (LONG, "No."))).found == []
    assert bench.leaks(bench.item("one", about=None, responses=(LONG, "No."))).found == []


def test_where_the_image_is_not_at_hand_a_long_text_is_enough(bench):
    bench.train(picture(1), rejected=LONG)
    found = bench.leaks(bench.item("long", responses=("No.", LONG)), bench.item("short", responses=(SHORT, "No.")))
    assert [(leak.id, leak.what) for leak in found.found] == [("long", "text")]
    assert found.unseen == 2


def test_a_long_text_about_an_image_that_was_lost_is_none_where_the_items_own_is_at_hand(bench):
    sha = bench.train(picture(1), chosen=LONG)
    (bench.store / relative_path(sha, bench.store)).unlink()
    found = bench.leaks(bench.item("shown", picture(2), (LONG, "No.")), bench.item("unseen", responses=(LONG, "No.")))
    assert [(leak.id, leak.what) for leak in found.found] == [("unseen", "text")]
    assert found.lost == 1


def test_short_texts_are_said_of_many_images(bench):
    bench.train(picture(1), chosen=SHORT)
    assert bench.leaks(bench.item("one", responses=(SHORT, "No."))).found == []


def test_leaks_are_refused_by_name_and_place_unless_allowed(bench, caplog):
    bench.train(picture(1))
    found = bench.leaks(bench.item("planted", picture(1)), bench.item("clean", picture(2)))
    with pytest.raises(UserError) as caught:
        refuse_leaks("vl_rewardbench", found)
    said = str(caught.value)
    assert said.startswith("1 of 2 items of vl_rewardbench are in what a round trained on: 1 by image (planted = ")
    assert "default/01/pairs.parquet" in said and "allow_leaks=true" in said
    with caplog.at_level(logging.WARNING):
        refuse_leaks("vl_rewardbench", found, allow=True)
    assert "allow_leaks=true: its figures say little" in caplog.text


def test_what_could_not_be_compared_is_said(bench, caplog):
    sha = bench.train(picture(1))
    (bench.store / relative_path(sha, bench.store)).unlink()
    found = bench.leaks(bench.item("one"))
    assert (found.unseen, found.lost, found.tables) == (1, 1, 1)
    with caplog.at_level(logging.WARNING):
        refuse_leaks("pope", found)
    assert "1 of 1 items of pope have images that are not at hand" in caplog.text
    assert "1 training images are no longer in the store" in caplog.text


def test_nothing_was_trained_yet(bench):
    assert bench.leaks(bench.item("one", picture(1))).found == []


def test_parts_are_compared_one_after_another(bench, monkeypatch):
    monkeypatch.setattr(leakage, "ITEMS", 2)
    bench.train(picture(4))
    found = bench.leaks(*(bench.item(str(seed), picture(seed)) for seed in range(5)))
    assert [leak.id for leak in found.found] == ["4"] and found.items == 5


def test_training_images_are_looked_at_once(bench, tmp_path, monkeypatch):
    bench.train(picture(1))
    cache = tmp_path / "cache" / "looks.sqlite"
    item = bench.item("one", picture(1))
    once = bench.leaks(item, cache=cache)
    monkeypatch.setattr(leakage, "open_image", None)  # a second look would fail
    assert bench.leaks(item, cache=cache) == once and len(once.found) == 1


def test_a_cache_that_is_none_is_named(tmp_path):
    (tmp_path / "looks.sqlite").write_bytes(b"no database, but long enough to be taken for one" * 50)
    with pytest.raises(UserError, match=r"looks.sqlite cannot be used .*delete it"):
        LookCache(tmp_path / "looks.sqlite")


def test_photos_are_told_apart_and_known_again(shared_data):
    paths = sorted(shared_data("coco_photos/images").iterdir())[:40]
    photos = [open_image(path) for path in paths]
    gallery = Gallery([look(photo) for photo in photos])
    for place, photo in enumerate(photos):
        assert list(gallery.same(look(photo))) == [place]
        quarter = jpeg(photo.resize((photo.width // 4, photo.height // 4), Image.Resampling.LANCZOS), 50)
        assert list(gallery.same(look(quarter))) == [place]
    distances = [gallery.distances(look(photo)) for photo in photos]
    assert sorted(np.concatenate(distances))[len(photos)] > leakage.RESEMBLING - 1


def test_pictures_with_nothing_in_them_are_told_apart_by_colour():
    gallery = Gallery([look(Image.new("RGB", (32, 32), colour)) for colour in ("white", "black", "red")])
    assert list(gallery.same(look(Image.new("RGB", (64, 64), "black")))) == [1]
    assert ALIKE < 255 / 3


@given(st.lists(st.sampled_from("abcdefgh"), min_size=0, max_size=60), st.integers(0, 20), st.integers(0, 20))
def test_windows_are_shared_exactly_where_words_in_a_row_are(words, before, after):
    """Against a plain comparison of tuples of words."""
    text = " ".join([*(f"x{n}" for n in range(before)), *words, *(f"y{n}" for n in range(after))])
    other = ", ".join(word.upper() for word in words)

    def runs(said):
        said = said.lower().replace(",", "").split()
        return {tuple(said[at : at + WORDS]) for at in range(len(said) - WORDS + 1)}

    shared = runs(text) & runs(other)
    assert len(np.intersect1d(windows(text), windows(other))) == len(shared)
