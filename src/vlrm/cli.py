"""``kedro run`` of this project: what a user can fix is one sentence and exit code 1, no traceback."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.utils import find_kedro_project

from vlrm.telling import sentence


class Run(click.Command):
    """Kedro's ``run`` with errors told as sentences."""

    def invoke(self, ctx: click.Context) -> Any:
        warnings.filterwarnings("ignore", message="Option '--pipeline' is deprecated")
        # the names of a round carry its namespace, as they should
        warnings.filterwarnings("ignore", message="One or more dataset names contain '.'")
        project = find_kedro_project(Path.cwd())
        if project is not None and project != Path.cwd():
            click.echo(f"paths are relative to {project}")
            os.chdir(project)
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
