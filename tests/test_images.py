"""Images as users bring them: what is taken, what is refused, and what the refusal says."""

import hashlib

import pytest
from PIL import Image, ImageFile

from hostile_files import BLUE, RED, hostile, picture
from vlrm import images
from vlrm.errors import UserError


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


def test_a_text_is_no_image_where_another_library_looks_for_a_reader_of_its_own(tmp_path, monkeypatch):
    def opened(*args, **kwargs):
        raise ModuleNotFoundError("No module named 'pi_heif'")

    monkeypatch.setattr(Image, "open", opened)
    with pytest.raises(UserError, match="not an image"):
        images.open_image(hostile("text", tmp_path))


def test_truncated_is_refused_even_where_another_library_made_pillow_tolerant(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(UserError, match="truncated"):
        images.open_image(hostile("truncated", tmp_path))
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_a_strip_that_vision_models_refuse_is_not_brought_in(tmp_path):
    Image.new("RGB", (2010, 10)).save(tmp_path / "strip.png")
    with pytest.raises(UserError, match=r"strip\.png has 2010 x 10 pixels"):
        images.store(tmp_path / "strip.png", tmp_path / "store")
    Image.new("RGB", (2000, 10)).save(tmp_path / "long.png")
    assert images.store(tmp_path / "long.png", tmp_path / "store")


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


def test_the_first_picture_of_a_phones_jpeg_is_taken_and_stored_as_jpeg(tmp_path):
    picture(colour=RED).save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[picture(colour=BLUE)])
    with Image.open(tmp_path / "phone.jpg") as opened:
        assert opened.format == "MPO"
    sha = images.store(tmp_path / "phone.jpg", tmp_path / "store")
    assert images.relative_path(sha, tmp_path / "store") == f"{sha[:2]}/{sha}.jpg"
    near = images.open_stored(sha, tmp_path / "store").resize((1, 1)).getpixel((0, 0))
    assert max(abs(a - b) for a, b in zip(near, RED, strict=True)) < 12


def test_pixels_are_counted_by_the_header_and_nothing_is_raised(tmp_path):
    picture().save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no image")
    assert images.pixels(tmp_path / "a.png") == picture().width * picture().height
    assert images.pixels(tmp_path / "b.png") == images.pixels(tmp_path / "gone.png") == 0


def test_unwritable_store_says_so(tmp_path):
    (tmp_path / "store").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="cannot be written"):
        images.store(picture(), tmp_path / "store")
    with pytest.raises(UserError, match="holds no image"):
        images.relative_path("ab" * 32, tmp_path / "store")


def test_another_image_is_drawn_from_all_but_the_own_one():
    names = ["a", "c", "e"]
    assert [images.other_image(names, "c", number) for number in range(4)] == ["a", "e", "a", "e"]
    assert [images.other_image(names, "d", number) for number in range(4)] == ["a", "c", "e", "a"]
    assert images.other_image(["a"], "a", 5) is None is images.other_image([], "a", 5)
