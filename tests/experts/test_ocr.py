"""Text on tags: read exactly, given to the object that carries it, and free where there is none."""

from PIL import Image, ImageDraw, ImageFont

from vlrm.experts.calibration import reliability_report
from vlrm.experts.ocr import Ocr, Settings
from vlrm.schema import Evidence


def test_tags_on_scenes_are_read_exactly(drawn):
    ocr = Ocr()
    added = ocr.annotate(drawn.images, drawn.objects)
    report = reliability_report([a + b for a, b in zip(drawn.objects, added, strict=True)], drawn.truth)
    assert report["attributes"]["text"]["support"] >= 20
    assert report["attributes"]["text"]["accuracy"] >= 0.95 and report["attributes"]["text"]["precision"] >= 0.95


def test_scenes_without_tags_never_reach_a_network(drawn):
    bare = [i for i, scene in enumerate(drawn.scenes) if not any(o.text for o in scene.objects)]
    assert len(bare) >= 10
    ocr = Ocr()
    assert ocr.annotate([drawn.images[i] for i in bare], [drawn.objects[i] for i in bare]) == [[]] * len(bare)
    assert ocr._engine is None


def test_text_anywhere_needs_no_object():
    image = Image.new("RGB", (320, 160), (240, 240, 240))
    ImageDraw.Draw(image).text((40, 50), "Hello", fill=(20, 20, 20), font=ImageFont.load_default(48))
    sign = Evidence("d1", "object", "box", (0.05, 0.1, 0.95, 0.9), 0.9, "drawn", "")
    ocr = Ocr(Settings(find="anywhere", capitals=False))
    loose, carried = ocr.annotate([image, image], [[], [sign]])
    assert [(row.label, row.target) for row in loose] == [("Hello", None)]
    assert [(row.label, row.target) for row in carried] == [("Hello", "d1")]
    assert loose[0].box[0] < 0.25 < loose[0].box[2]


def test_threads_do_not_change_what_is_read():
    assert Ocr(Settings(threads=2)).fingerprint == Ocr().fingerprint
    assert Ocr(Settings(least_score=0.9)).fingerprint != Ocr().fingerprint
