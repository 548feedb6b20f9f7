"""Images and prompts as users bring them: what is taken, what is refused, and what the refusal says."""

import hashlib
import json
import struct
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFile

from vlrm import images
from vlrm.errors import UserError
from vlrm.schema import PROMPTS, QUARANTINE

RED, BLUE = (200, 30, 30), (30, 30, 200)


def picture(size=(12, 8), colour=RED, mode="RGB"):
    return Image.new("RGB", size, colour).convert(mode)


def png_claiming(path: Path, width: int, height: int) -> Path:
    """A PNG of a few bytes whose header says it is enormous."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tif"])
def test_every_format_opens_as_rgb(tmp_path, suffix):
    picture().save(tmp_path / f"a.{suffix}")
    opened = images.open_image(tmp_path / f"a.{suffix}")
    assert (opened.mode, opened.size) == ("RGB", (12, 8))
    assert abs(opened.getpixel((6, 4))[0] - 200) < 12


def test_cmyk_jpeg_keeps_its_colour(tmp_path):
    picture(mode="CMYK").save(tmp_path / "a.jpg")
    red, green, blue = images.open_image(tmp_path / "a.jpg").getpixel((6, 4))
    assert red > 180 and green < 60 and blue < 60


def test_exif_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    picture().save(tmp_path / "a.jpg", exif=exif)
    assert images.open_image(tmp_path / "a.jpg").size == (8, 12)


def test_transparency_lies_on_white(tmp_path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert images.open_image(tmp_path / "a.png").getpixel((1, 1)) == (255, 255, 255)


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    Image.new("I;16", (4, 4), 32768).save(tmp_path / "a.png")
    assert images.open_image(tmp_path / "a.png").getpixel((1, 1)) == (128, 128, 128)


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path, suffix):
    picture(colour=RED).save(tmp_path / f"a.{suffix}", save_all=True, append_images=[picture(colour=BLUE)], duration=50)
    assert images.open_image(tmp_path / f"a.{suffix}").getpixel((6, 4))[0] > 150


def hostile(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.png"
    if kind == "truncated":
        Image.effect_noise((64, 64), 50).save(path)
        path.write_bytes(path.read_bytes()[:-900])
    elif kind == "bomb":
        png_claiming(path, 30_000, 30_000)
    elif kind == "large":
        png_claiming(path, 9_000, 9_000)
    elif kind == "text":
        path = folder / "text.jpg"
        path.write_text("I am not a picture.")
    elif kind == "empty":
        path.touch()
    elif kind == "header":
        path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    elif kind == "folder":
        path.mkdir()
    elif kind == "postscript":
        path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    return path


REFUSALS = {
    "missing": "does not exist", "truncated": "truncated", "bomb": "64 megapixels", "large": "9000 x 9000",
    "text": "not an image", "empty": "0 bytes", "header": "damaged", "folder": "not a file",
    "postscript": "not an image",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "says"), REFUSALS.items())
def test_hostile_files_get_one_sentence_that_names_them(tmp_path, kind, says):
    path = hostile(kind, tmp_path)
    with pytest.raises(UserError) as refused:
        images.open_image(path)
    assert says in str(refused.value) and path.name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_truncated_is_refused_even_where_another_library_made_pillow_tolerant(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(UserError, match="truncated"):
        images.open_image(hostile("truncated", tmp_path))
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_store_is_content_addressed_and_idempotent(tmp_path):
    root = tmp_path / "store"
    picture().save(tmp_path / "a.jpg")
    sha = images.store(tmp_path / "a.jpg", root)
    assert sha == hashlib.sha256((tmp_path / "a.jpg").read_bytes()).hexdigest()
    assert images.relative_path(sha, root) == f"{sha[:2]}/{sha}.jpg"
    assert images.store(tmp_path / "a.jpg", root) == sha
    drawn = images.store(picture(), root)
    assert images.open_image(root / images.relative_path(drawn, root)).tobytes() == picture().tobytes()
    assert len([path for path in root.rglob("*") if path.is_file()]) == 2


def test_unwritable_store_says_so(tmp_path):
    (tmp_path / "store").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="cannot be written"):
        images.store(picture(), tmp_path / "store")
    with pytest.raises(UserError, match="holds no image"):
        images.relative_path("ab" * 32, tmp_path / "store")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    picture().save(folder / "good.png")
    return folder


def write_prompts(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", ["prompts.jsonl", "prompts.parquet"])
def test_good_rows_go_on_and_bad_rows_are_set_aside(tmp_path, folder, name):
    for kind in ("truncated", "bomb", "text"):
        hostile(kind, folder)
    picture().save(tmp_path / "secret.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    asked = [
        "good.png",
        "truncated.png",
        "bomb.png",
        "text.jpg",
        "gone.png",
        "../secret.png",
        "link.png",
        None,
        "good.png",
    ]
    rows = [{"image": image, "question": "How many?"} for image in asked] + [{"image": "good.png", "question": " "}]
    table = write_prompts(tmp_path / name, rows)
    good, quarantine = images.ingest(images.read_prompts(table), folder, tmp_path / "store", source=name)
    assert good.schema == PROMPTS and quarantine.schema == QUARANTINE
    assert good.num_rows == 1 and good["question"].to_pylist() == ["How many?"]
    assert (tmp_path / "store" / good["image"][0].as_py()).exists()
    reasons = dict(zip(quarantine["row"].to_pylist(), quarantine["reason"].to_pylist(), strict=True))
    assert sorted(reasons) == list(range(2, 11))
    says_by_row = {2: "truncated", 3: "64 mega", 4: "not an image", 5: "does not exist", 6: "leaves", 7: "leaves",
                   8: "column image", 9: "earlier row", 10: "column question"}  # fmt: skip
    for row, says in says_by_row.items():
        assert says in reasons[row]
    assert set(quarantine["source"].to_pylist()) == {name}


def test_ids_of_the_user_are_kept(tmp_path, folder):
    table = write_prompts(tmp_path / "p.jsonl", [{"image": "good.png", "question": "Why?", "id": 7}])
    good, _ = images.ingest(images.read_prompts(table), folder, tmp_path / "store")
    assert good["prompt_id"].to_pylist() == ["7"]


@pytest.mark.parametrize("name", ["prompts.jsonl", "prompts.parquet"])
def test_missing_column_and_duplicate_id_name_file_and_column(tmp_path, name):
    table = write_prompts(tmp_path / name, [{"image": "a.png", "text": "?"}])
    with pytest.raises(UserError, match=rf"{name}.*lacks the column question"):
        images.read_prompts(table)
    table = write_prompts(tmp_path / name, [{"image": "a.png", "question": "?", "id": "x"}] * 2)
    with pytest.raises(UserError, match=rf"{name}.*'x' twice in column id, in rows 1 and 2"):
        images.read_prompts(table)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.jsonl", b'{"image": "a.png"', "Row 1 .* is not JSON"),
        ("p.jsonl", b"[1, 2]\n", "no JSON object"),
        ("p.jsonl", b"\xff\xfe\x00", "not UTF-8"),
        ("p.jsonl", b"\n\n", "has no rows"),
        ("p.parquet", b"PAR1 nonsense", "no readable Parquet"),
        ("gone.jsonl", None, "does not exist"),
    ],
)
def test_unreadable_prompts_are_refused_as_a_whole(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        images.read_prompts(tmp_path / name)


def test_a_folder_without_prompts_is_described(tmp_path, folder):
    hostile("text", folder)
    good, quarantine = images.ingest(images.describe_folder(folder), folder, tmp_path / "store")
    assert good["question"].to_pylist() == [images.DESCRIBE] and good["kind"].to_pylist() == ["description"]
    assert quarantine["item"].to_pylist() == ["text.jpg"]
    with pytest.raises(UserError, match="None of the 1 rows"):
        images.ingest([images.Row(1, "text.jpg", "?")], folder, tmp_path / "store")
    with pytest.raises(UserError, match="does not exist"):
        images.describe_folder(tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match="holds no image"):
        images.describe_folder(tmp_path / "bare")
