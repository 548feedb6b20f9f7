"""What went wrong as one sentence for the user, wherever an error was wrapped on its way."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

import pydantic
from kedro.validation.exceptions import ParameterValidationError
from safetensors import SafetensorError

from vlrm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOM = "make room and run the same command again, finished stages are kept"
_RIGHTS = "change the permissions (of what is written, another folder can be chosen with --params data=FOLDER)"
_DISK = {
    errno.ENOSPC: f"the disk is full: {_ROOM}",
    errno.EDQUOT: f"the disk quota is used up: {_ROOM}",
    errno.EACCES: f"this user may not: {_RIGHTS}",
    errno.EPERM: f"this user may not: {_RIGHTS}",
    errno.EROFS: f"the disk is read-only: {_RIGHTS}",
}
_FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a write into an open file fails with: such an error names no file."""


def sentence(error: BaseException) -> str | None:
    """What to tell the user, or None when the error is ours and needs its traceback."""
    for cause in _causes(error):
        told = _told(cause)
        if told:
            return told
    return None


def _told(error: BaseException) -> str | None:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, pydantic.ValidationError):
        return _parameters(error)
    if isinstance(error, ParameterValidationError):
        return _typed_parameters(str(error))
    if isinstance(error, ValueError) and "Failed to find the pipeline named" in str(error):
        return " ".join(re.sub(r"It needs to be .*? function\.", "", str(error)).split())
    return _disk(error)


def _disk(error: BaseException) -> str | None:
    """A write that the disk or its rights refused; safetensors and SQLite tell of it in errors of their own."""
    if isinstance(error, OSError) and error.errno in _DISK and (error.filename or error.errno in _FULL):
        done = "open" if error.errno in (errno.EACCES, errno.EPERM) else "write"
        return f"cannot {done} {error.filename or 'a file'}: {_DISK[error.errno]}."
    if "database or disk is full" in str(error):
        return f"cannot write MLflow's database: {_DISK[errno.ENOSPC]}."
    number = re.search(r"\(os error (\d+)\)", str(error)) if isinstance(error, SafetensorError) else None
    return f"cannot write a model's file: {_DISK[int(number[1])]}." if number and int(number[1]) in _DISK else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _parameters(error: pydantic.ValidationError) -> str:
    said = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        what = "is not a known parameter" if problem["type"] == "extra_forbidden" else problem["msg"]
        said.append(f"{where} {what}" if problem["type"] == "extra_forbidden" else f"{where}: {what}")
    return f"{error.title} does not accept these parameters: {'; '.join(said)}."


def _typed_parameters(text: str) -> str:
    """Kedro's report of parameters that fail their type, as one sentence without links."""
    text = re.sub(r"\s*For further information visit \S+", "", text)
    text = re.sub(r"Failed to instantiate (\w+) for parameter '[^']*': \d+ validation errors? for \w+", "", text)
    text = text.replace("Extra inputs are not permitted", "is not a known parameter")
    text = re.sub(r" \[type=\w+, input_value=(.*?), input_type=\w+\]", r" (\1)", text)
    text = re.sub(r" \[type=\w+\]", "", text)  # where the value is not shown, since it may be a key
    lines = [line.strip().removeprefix("- ") for line in text.splitlines()[1:] if line.strip()]
    said = re.sub(r"Parameter '([^']+)': +([\w.]+) (?=[A-Zi])", r"\1.\2: ", " ".join(lines))
    return f"parameters are not valid: {said.rstrip('.')}."
