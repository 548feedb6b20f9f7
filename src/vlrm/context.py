"""The project's context: it reads the number of rounds before the pipelines are built."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kedro.framework import project
from kedro.framework.context import KedroContext

from vlrm.errors import UserError
from vlrm.lineage.ledger import Ledger


class VlrmContext(KedroContext):
    """Configures ``<package>.pipelines`` from the parameters, for every way in: run, viz, notebooks,
    server."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # Read raw: ``self.params`` would look at the pipelines to check types, and so build them too early.
        parameters = self.config_loader["parameters"]
        # In this order: the loader that was made last is the one that ${globals:...} is looked up in from then on.
        base, declared = self._declared("base"), self._declared(self.config_loader.env)
        check_names(dict.fromkeys(declared), base)
        check_names(self._runtime_params or {}, declared)
        rounds, experiment = (
            whole_number("rounds", parameters.get("rounds", 1)),
            parameters.get("experiment", "default"),
        )
        whole_number("workers", parameters.get("workers", 1))
        check_experiment(experiment)
        data = self.project_path / str(parameters.get("data", "data"))
        folder = data / "rounds"
        newest = Ledger.open(folder, experiment, self.project_path).newest_sealed()
        answers = parameters.get("responses") is not None
        answered = (data / "07_model_output" / "answers" / experiment / "claims.parquet").is_file()
        own_images = parameters.get("images") is not None
        asking = own_images and parameters.get("questions") is not None
        importlib.import_module(f"{self._package_name}.pipelines").configure(
            rounds, newest, answers, answered, asking, own_images
        )
        project.pipelines.configure(f"{self._package_name}.pipeline_registry")

    def _declared(self, environment: str | None) -> Mapping[str, Any]:
        """The parameters an environment declares over base, without those given on the command line."""
        loader = self.config_loader
        bare = type(loader)(
            conf_source=loader.conf_source,
            env=environment,
            **project.settings.CONFIG_LOADER_ARGS,
            runtime_params=None,
        )
        return bare["parameters"]


SLIP = 0.8
"""How alike two names are of which one is probably a misspelling of the other."""


def check_names(given: Mapping[str, Any], known: Mapping[str, Any], prefix: str = "") -> None:
    """Refuse a parameter nobody declared, by name, with the nearest that exists.

    A group may leave out what has a default: a name in it that is no slip of a declared one is left to the group's
    type, which knows them all.
    """
    for name, value in given.items():
        if name not in known:
            if prefix and not difflib.get_close_matches(name, list(known), n=1, cutoff=SLIP):
                continue
            raise UserError(f"the configuration declares no parameter '{prefix}{name}'{nearest(name, known, prefix)}.")
        below = known[name]
        if isinstance(value, Mapping) and isinstance(below, Mapping) and below:
            check_names(value, below, f"{prefix}{name}.")


def nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    """The end of a sentence: the name that was probably meant, or all there are."""
    close = difflib.get_close_matches(name, list(known), n=1)
    if close:
        return f"; did you mean '{prefix}{close[0]}'"
    return f"; there are {', '.join(prefix + other for other in sorted(known))}"


def whole_number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(f"parameter {name} must be a whole number of at least 1, not '{value}'.")
    return value


def check_experiment(name: Any) -> None:
    """An experiment is a folder's name, and may not lead out of ``data/rounds``."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        raise UserError(
            f"parameter experiment must be a name of letters, digits, dots, dashes and underscores, not '{name}'."
        )
