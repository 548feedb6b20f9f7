"""The conversations of the loop as chat messages: answer a question, criticise an answer, verify it with yes or no."""

from __future__ import annotations

from typing import Any

Message = dict[str, Any]
Messages = list[Message]

VERIFY = (
    "Is this answer right?",
    "Does the answer match the picture?",
    "Is that true of the picture?",
    "Is every statement correct?",
    "Is this correct?",
)
"""Verification questions; which one reads best is chosen on the gate split."""
CRITICISE = "Check the answer against the picture."
YES, NO = "Yes", "No"


def ask(question: str, *, image: bool = True) -> Messages:
    """The prompt itself: one image, one question; or a question about no image."""
    shown = [{"type": "image"}] if image else []
    return [{"role": "user", "content": [*shown, {"type": "text", "text": question}]}]


def answered(question: str, response: str, *, image: bool = True) -> Messages:
    return [*ask(question, image=image), _assistant(response)]


def criticise(question: str, response: str, evidence: str = "") -> Messages:
    """Ask for a critique; ``evidence`` is quoted data from experts, never an instruction."""
    request = f"{CRITICISE} Evidence: {evidence}" if evidence else CRITICISE
    return [*answered(question, response), _user(request)]


def verify(question: str, response: str, critique: str | None = None, form: int = 0, *, image: bool = True) -> Messages:
    """Ask for yes or no, with a critique (its verdict line removed) in the conversation or without one."""
    turns = answered(question, response, image=image)
    if critique is not None:
        turns += [_user(CRITICISE), _assistant(critique)]
    return [*turns, _user(VERIFY[form])]


def _user(text: str) -> Message:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}
