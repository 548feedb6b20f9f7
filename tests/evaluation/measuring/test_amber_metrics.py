"""Objects in written texts against AMBER's word lists, by hand."""

import pytest
from made_up_judgements import judged, row, yes_no

from vlrm.evaluation.benchmarks.item import Item
from vlrm.evaluation.measuring.amber_metrics import count_objects
from vlrm.evaluation.measuring.amber_nouns import Nouns, nouns_in
from vlrm.evaluation.measuring.figures import figures_of

VOCABULARY = Nouns(["person", "man", "dog", "sky", "grass", "cloud", "bird", "ship", "bench"])


def described(number, truth, hallu, image=None):
    key = f"k{number}"
    details = {"truth": truth, "hallu": hallu, "kind": "generative"}
    return Item(key, key, "describe", "Describe this image.", image, (), None, "generative", None, details)


def test_nouns_are_read_in_the_singular_and_phrases_whole():
    words = [noun.word for noun in nouns_in("Two puppies play under a traffic light; men watch the sky.")]
    assert words == ["puppy", "traffic light", "man", "sky"]


@pytest.mark.parametrize(
    ("said", "listed", "same"),
    [
        ("puppy", "dog", True),  # a kind is one of the object
        ("dog", "puppy", True),
        ("man", "woman", False),  # two kinds of a person are not one another
        ("boat", "ship", True),
        ("cloud", "sky", False),
        ("Clouds", "cloud", True),
    ],
)
def test_words_for_one_object_match(said, listed, same):
    (noun,) = nouns_in(f"There is a {said}.")
    assert (Nouns([listed]).place(noun) == 0) is same


def test_counts_by_hand():
    text = "A man walks his dog on the grass. A bird is in the sky, and another bird. The mood is calm."
    counts = count_objects(
        text, truth=["person", "grass", "sky", "ship"], hallu=["bird", "cloud"], vocabulary=VOCABULARY
    )
    # dog and twice bird are made up; man, grass and sky are there; of the four true ones the ship is not said
    assert counts == [3, 6, 3, 4, 1, 2, 1, 1]


def test_a_word_listed_twice_is_covered_once_as_in_the_authors_script():
    assert count_objects("A ship and a ship.", ["ship", "ship"], [], VOCABULARY) == [0, 2, 1, 2, 0, 0, 0, 1]


def test_figures_are_sums_over_the_set_with_intervals_by_image():
    items = [
        described(0, ["person", "grass"], ["dog", "cloud"], "a.jpg"), described(1, ["sky"], ["bird"], "b.jpg"),
        yes_no(2, "no", category="existence", kind="existence", image="a.jpg"),
    ]  # fmt: skip
    rows = judged([
        row("k0", None, text="A man and a dog on the grass."), row("k1", None, text="The sky is blue."), row("k2", 1),
    ])  # fmt: skip
    result = figures_of(iter(items), rows, "amber", model="a judge", draws=50)
    found = {name: figure.value for name, figure in result.figures.items()}
    assert found["chair"] == pytest.approx(1 / 4)
    assert found["cover"] == pytest.approx(3 / 3)
    assert found["hal"] == pytest.approx(1 / 2)
    assert found["cog"] == pytest.approx(1 / 3)
    assert found["no.f1"] == 1.0
    assert found["amber_score"] == pytest.approx((1 - 1 / 4 + 1) / 2)
    assert (found["accuracy"], result.figures["accuracy"].n) == (1.0, 1)  # texts are no choices
    assert result.judged == 3


def test_texts_under_another_image_do_not_count():
    items = [described(0, ["dog"], ["bird"])]
    rows = judged([row("k0", None, text="A dog."), row("k0", None, view="blank", text="A bird.")])
    found = figures_of(items, rows, "amber", model="a judge", draws=20).figures
    assert (found["chair"].value, found["cover"].value) == (0.0, 1.0)
    assert "accuracy" not in found


def test_the_released_lists_are_read(shared_data):
    from vlrm.evaluation.benchmarks.suites import load

    items = [one for one in load("amber", shared_data("benchmarks/amber_query_all.json")) if one.task == "describe"]
    assert len(items) == 1004
    everything = judged(
        [row(one.key, None, text=". ".join(f"a {word}" for word in one.details["truth"])) for one in items]
    )
    found = figures_of(iter(items), everything, "amber", model="says what is there", draws=20).figures
    assert found["chair"].value < 0.01
    assert found["cover"].value > 0.97  # lists that hold a word twice cannot be covered whole
    assert found["hal"].value < 0.05
