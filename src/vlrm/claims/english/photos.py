"""The vocabulary of photos: COCO's 80 objects, and the attribute values that edits exchange."""

from __future__ import annotations

from vlrm.claims.english.lexicon import LEXICON
from vlrm.claims.vocabulary import Vocabulary

PHOTOS = Vocabulary(
    nouns={noun: (*entry["same"], *entry["kinds"]) for noun, entry in LEXICON.objects.items()},
    attributes={
        attribute: {value: tuple(table["words"][value]) for value in table["edit"]}
        for attribute, table in LEXICON.attributes.items()
    },
    labels=(
        "STOP", "EXIT", "OPEN", "CLOSED", "SALE", "TAXI", "BUS", "POLICE", "HOTEL", "CAFE", "BANK", "PARK", "SCHOOL",
        "FIRE", "PIZZA", "COFFEE", "BAKERY", "MARKET", "ONE WAY", "YIELD", "DANGER", "CAUTION", "WELCOME", "ENTER",
        "PUSH", "PULL",
    ),
    unsaid=frozenset({"plain", "medium"}),
    english=True,
)  # fmt: skip
"""Give it to :func:`vlrm.claims.extract.extract_claims` and :func:`vlrm.claims.table.verify_responses`.

Nouns outside it are read too: they become claims of open nouns, unverifiable unless an expert reports that very noun.
"""
