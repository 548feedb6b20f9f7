"""What is printed on something: which thing a quoted label is said of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.claims.drafts import Entity
from vlrm.claims.english.clauses import Clauses
from vlrm.claims.english.phrases import read_phrase

if TYPE_CHECKING:
    from vlrm.claims.english.tagger import Word


class Printed(Clauses):
    """Labels join the holder that stands before them, or wait for the one that follows."""

    def _label(self, word: Word, place: int) -> None:
        follows = self._tag(place + 1)
        ahead = place + 1
        while self._tag(ahead) in ("BE", "TEXTWORD", "ADV", "V"):
            ahead += 1
        if self._tag(ahead) in ("P", "OF") and (ahead > place + 1 or self.labelling is None or follows == "P"):
            if ahead + 1 < len(self.words) and read_phrase(self.words, ahead + 1) is not None and self.last is None:
                self.value, self.text_noun = word, True
                return
        self._say(word, self.labelling if self.labelling is not None else self.last)

    def _say(self, word: Word, subject: Entity | None) -> None:
        self.value = None
        self.text_noun = False
        self.labelling = None
        said = word.reading.value.strip(" .,").upper()
        holder = subject if subject is not None else self.topic if self.topic is not None else Entity(None)
        start, end = self.stretch(holder, word.start, word.end)
        self.add("text", holder, start, end, (word.start, word.end), value=said, polarity=not self.negation)
        self.link = None

    def _end_sentence(self) -> None:
        if self.value is not None:
            self._say(self.value, self.last)
