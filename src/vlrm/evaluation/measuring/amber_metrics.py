"""AMBER (arXiv 2311.07397): objects in written texts (CHAIR, Cover, Hal, Cog), and its yes-or-no questions."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from vlrm.evaluation.measuring.amber_nouns import Nouns, nouns_in
from vlrm.evaluation.measuring.quantities import Bootstrap, Quantities, present
from vlrm.evaluation.measuring.verdicts import said_about
from vlrm.evaluation.measuring.yes_no_metrics import by_part, yes_no_figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.bootstrap import Floats
    from vlrm.evaluation.measuring.marks import Marks
    from vlrm.evaluation.measuring.verdicts import Judged

COUNTS = ("hallucinated", "mentions", "covered", "truth", "cognitive", "hallu", "texts_hallucinating", "texts")


def count_objects(text: str, truth: Sequence[str], hallu: Sequence[str], vocabulary: Nouns) -> list[int]:
    """:data:`COUNTS` of one text.

    mentions: nouns of the text that are in ``vocabulary``; hallucinated: those of them that no word of ``truth``
    matches; covered, cognitive: words of ``truth`` and of ``hallu`` that a noun matches. A word that a list holds twice
    can be matched once, as in the authors' script.
    """
    true, false = Nouns(truth), Nouns(hallu)
    said = [noun for noun in nouns_in(text) if vocabulary.place(noun) >= 0]
    wrong = [noun for noun in said if true.place(noun) < 0]
    covered = {true.place(noun) for noun in said} - {-1}
    cognitive = {false.place(noun) for noun in wrong} - {-1}
    return [len(wrong), len(said), len(covered), true.size, len(cognitive), false.size, int(bool(wrong)), 1]


class AmberParts:
    """Keeps the word lists of texts to be judged, and the kind of each question."""

    def __init__(self) -> None:
        self._kinds: dict[str, int] = {}
        self._kind = array("h")
        self._described: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {}

    def see(self, item: Item, key: int) -> None:
        if item.task == "describe":
            lists = tuple(item.details["truth"]), tuple(item.details["hallu"])
            self._described[item.key] = (len(self._kind), *lists)
        self._kind.append(self._kinds.setdefault(str(item.details["kind"]), len(self._kinds)))

    def quantities(self, marks: Marks, bootstrap: Bootstrap, judged: Judged) -> Quantities:
        """Both parts, and their summary ``amber_score`` = (1 - CHAIR + F1) / 2 where both were asked."""
        asked = self._questions(marks, bootstrap)
        texts = self.text_quantities(bootstrap, judged, len(marks.sheet))
        found = texts | asked
        if "chair" in texts and "no.f1" in asked:
            chair, f1 = texts["chair"].figure.value, asked["no.f1"].figure.value
            draws = (1 - texts["chair"].draws + asked["no.f1"].draws) / 2
            found |= present({"amber_score": bootstrap.from_draws((1 - chair + f1) / 2, draws, len(marks.sheet))})
        return found

    def _questions(self, marks: Marks, bootstrap: Bootstrap) -> Quantities:
        kind = np.frombuffer(self._kind, dtype=np.int16)
        parts: dict[str, npt.NDArray[np.bool_]] = {
            name: marks.sheet.category == number
            for number, name in enumerate(marks.sheet.categories)
        }  # fmt: skip
        parts |= {name: kind == number for name, number in self._kinds.items() if name not in parts}
        whole = yes_no_figures(marks, bootstrap, positive="no")
        return {f"no.{name}": one for name, one in whole.items()} | by_part(marks, bootstrap, parts, "no")

    def text_quantities(self, bootstrap: Bootstrap, judged: Judged, items: int) -> Quantities:
        """``chair`` = hallucinated / mentions, ``cover`` = covered / truth, ``hal`` = texts with a hallucinated object
        / texts, ``cog`` = cognitive / hallu, all over the whole set as in the authors' script.

        (The paper divides Cog by the objects mentioned; its script, and so every published figure, by the words of
        ``hallu``.) ``items``: of the whole benchmark.
        """
        if not self._described:
            return {}
        listed = {word for _, truth, hallu in self._described.values() for word in (*truth, *hallu)}
        vocabulary = Nouns(sorted(listed))
        counts = np.zeros((len(COUNTS), items))
        for key, votes in said_about(judged, list(self._described)).items():
            row, truth, hallu = self._described[key]
            for view, text in votes:
                if view == "image":
                    counts[:, row] += count_objects(text, truth, hallu, vocabulary)
        texts = int(counts[-1].sum())

        def ratio(top: str, bottom: str) -> tuple[Floats, Floats]:
            return counts[COUNTS.index(top)], counts[COUNTS.index(bottom)]

        ratios = {
            "chair": ratio("hallucinated", "mentions"),
            "cover": ratio("covered", "truth"),
            "hal": ratio("texts_hallucinating", "texts"),
            "cog": ratio("cognitive", "hallu"),
        }
        return present({name: bootstrap.of_sums(both, lambda sums: sums[:, 0] / sums[:, 1], texts)
                        for name, both in ratios.items()})  # fmt: skip
