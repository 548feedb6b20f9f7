"""Critiques of a model too small to keep to a form: we write the form, it fills in yes or no for each statement.

The observation is the evidence quoted to the critic, the statements are those of the answer, and the verdict follows
from the checks. What the model decides is each check, sampled from its own distribution over the next token after
``statement:``. Any other word than yes or no ends the critique there, which then counts as one that does not parse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlrm.critiques.parser import RIGHT, WRONG
from vlrm.policy.protocol import Request, Sampling, Writer, row_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlrm.vlm import Conversation

ANSWERS = ("yes", "no")


@dataclass
class Form:
    """One critique being filled in; ``seen``: its observation, ``seed``: of its draws."""

    conversation: Conversation
    seen: str
    statements: tuple[str, ...]
    seed: int
    answers: list[str]

    @property
    def open(self) -> bool:
        """Whether a statement is left, and all before were answered with yes or no."""
        return len(self.answers) < len(self.statements) and all(answer in ANSWERS for answer in self.answers)

    @property
    def opening(self) -> str:
        """What stands before the next answer."""
        checks = "".join(f" {said}: {answer};" for said, answer in zip(self.statements, self.answers, strict=False))
        return f"See: {self.seen}. Check:{checks} {self.statements[len(self.answers)]}:"

    def text(self) -> str:
        """The critique as far as it came."""
        pairs = list(zip(self.statements, self.answers, strict=False))
        checks = "; ".join(f"{said}: {answer}" for said, answer in pairs)
        if any(answer not in ANSWERS for answer in self.answers):
            return f"See: {self.seen}. Check: {checks}"
        verdict = RIGHT if all(answer == "yes" for answer in self.answers) else WRONG
        return f"See: {self.seen}. Check: {checks}. Verdict: {verdict}."


def fill(
    writer: Writer, forms: Sequence[Form], sampling: Sampling, progress: Callable[[int], None] | None = None
) -> list[str]:
    """The critiques, in the order given; ``progress`` hears how many more are done.

    A batch is filled in to its end before the next is begun, and those about an image stand side by side: a writer that
    remembers what it read a moment ago then has only the checks to read, and shares what conversations begin with.
    """
    one = sampling.model_copy(update={"max_new_tokens": 1, "stop": ()})
    alike = side_by_side(forms)
    for start in range(0, len(alike), sampling.batch_size):
        _fill(writer, alike[start : start + sampling.batch_size], one, progress)
    return [form.text() for form in forms]


def side_by_side(forms: Sequence[Form]) -> list[Form]:
    """Image by image, those with about as long conversations side by side, so that little of a batch is padding."""
    images: dict[str | None, list[Form]] = {}
    for form in forms:
        images.setdefault(form.conversation.image, []).append(form)
    for some in images.values():
        some.sort(key=_length)
    by_length = sorted(images.values(), key=lambda some: _length(some[-1]))
    return [form for some in by_length for form in some]


def _length(form: Form) -> int:
    return len(repr(form.conversation.messages))


def _fill(writer: Writer, forms: Sequence[Form], one: Sampling, progress: Callable[[int], None] | None) -> None:
    waiting = [form for form in forms if form.open]
    if progress is not None and len(waiting) < len(forms):
        progress(len(forms) - len(waiting))
    while waiting:
        requests = [
            Request(form.conversation, row_seed("check", form.seed, len(form.answers)), form.opening)
            for form in waiting
        ]
        for form, answer in zip(waiting, writer.write(requests, one), strict=True):
            form.answers.append(answer.strip().lower())
        left = [form for form in waiting if form.open]
        if progress is not None:
            progress(len(waiting) - len(left))
        waiting = left
