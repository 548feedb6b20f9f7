from __future__ import annotations

from vlrm.evaluation.sit import images_under


def test_a_swapped_image_is_never_the_quads_twin_and_blank_keeps_its_image():
    items = [{"image_sha256": f"i{n}", "quad_id": None} for n in range(150)]
    items += [{"image_sha256": name, "quad_id": "q"} for name in ("i0", "twin")]
    swapped = images_under("swapped", items, seed=3)
    assert all(other != item["image_sha256"] for other, item in zip(swapped, items, strict=True))
    assert {"i0", "twin"}.isdisjoint({swapped[0], swapped[-1], swapped[-2]})
    assert images_under("blank", items, 0)[:1] == ["blank:i0"]
    assert images_under("swapped", items, 3) == swapped
