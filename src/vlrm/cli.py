"""``kedro run`` of this project: what a user can fix is one sentence and exit code 1, no traceback."""

from __future__ import annotations

import errno
import re
import warnings
from typing import TYPE_CHECKING, Any

import click
import pydantic
from kedro.framework.cli.project import run as kedro_run
from kedro.validation.exceptions import ParameterValidationError

from vlrm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOM = "make room and run the same command again, finished stages are kept"
_RIGHTS = "change the permissions, or choose another folder with --params data=FOLDER"
_DISK = {
    errno.ENOSPC: f"the disk is full: {_ROOM}",
    errno.EDQUOT: f"the disk quota is used up: {_ROOM}",
    errno.EACCES: f"this user may not write there: {_RIGHTS}",
    errno.EPERM: f"this user may not write there: {_RIGHTS}",
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
    if isinstance(error, OSError) and error.errno in _DISK and (error.filename or error.errno in _FULL):
        return f"cannot write {error.filename or 'a file'}: {_DISK[error.errno]}."
    if isinstance(error, ValueError) and "Failed to find the pipeline named" in str(error):
        return " ".join(re.sub(r"It needs to be .*? function\.", "", str(error)).split())
    return None


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


class Run(click.Command):
    """Kedro's ``run`` with errors told as sentences."""

    def invoke(self, ctx: click.Context) -> Any:
        warnings.filterwarnings("ignore", message="Option '--pipeline' is deprecated")
        # the names of a round carry its namespace, as they should
        warnings.filterwarnings("ignore", message="One or more dataset names contain '.'")
        try:
            return super().invoke(ctx)
        except Exception as error:
            told = sentence(error)
            if told is None:
                raise
            raise click.ClickException(told) from error


@click.group(name="vlrm")
def cli() -> None:
    """vlrm's own version of Kedro's commands."""


cli.add_command(Run("run", callback=kedro_run.callback, params=kedro_run.params, help=kedro_run.help))
