"""Objects named, denied and counted in free English, against boxes that people drew."""

import pytest

from vlrm.evaluation.human_boxes import count_by_boxes, named_by_boxes
from vlrm.schema import SeenObject

BOX = (0.1, 0.1, 0.4, 0.4)
STREET = [SeenObject(noun, BOX) for noun in ("dog", "dog", "car", "person")]


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("A man walks two puppies past a car.", (0, 4)),  # three objects and a number
        ("A man walks three dogs.", (1, 2)),
        ("There is a cat. The cat is black. The cat sleeps.", (1, 0)),  # one falsehood however often
        ("There is no dog here.", (1, 0)),
        ("There is no cat here.", (0, 1)),
        ("A red car beside a lighthouse.", (0, 1)),  # COCO has boxes of no lighthouse, and no colours
        ("It is a lovely day.", (0, 0)),
    ],
)
def test_what_boxes_can_decide(text, counts):
    assert count_by_boxes(text, "Describe the image.", STREET) == counts


def test_the_question_is_what_a_short_answer_is_about():
    assert count_by_boxes("No", "Is there a dog in the image?", STREET) == (1, 0)
    assert count_by_boxes("Yes", "Is there a dog in the image?", STREET) == (0, 1)


def test_objects_named_are_counted_without_their_numbers_and_without_what_is_denied():
    text = "Two dogs and no cat."
    one_dog = STREET[1:]
    assert count_by_boxes(text, "Describe the image.", one_dog) == (1, 2)
    assert named_by_boxes(text, "Describe the image.", one_dog) == (0, 1)
