"""Free English about photos: the words, the tagger, the noun phrases and the reader of sentences."""

from vlrm.claims.english.photos import PHOTOS

__all__ = ["PHOTOS"]
