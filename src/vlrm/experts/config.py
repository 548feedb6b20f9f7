"""From configuration to experts: a list of names with settings, checked before anything runs."""

from __future__ import annotations

import difflib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vlrm.errors import UserError
from vlrm.experts.base import Expert
from vlrm.experts.registry import known_experts

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExpertConfig(BaseModel):
    """One expert: a known name, or ``package.module:Class`` of your own, and its settings.

    YAML::

        experts:
          - name: detector
            settings: {confidence: 0.3}
          - name: colour
    """

    model_config = ConfigDict(extra="forbid")
    name: str
    settings: dict[str, Any] = Field(default_factory=dict)


EMBEDDED = tuple(ExpertConfig(name=name) for name in ("detector", "colour", "pattern", "size", "ocr"))
"""The experts of the embedded world. Order matters: detectors first, then what describes their objects."""


def names() -> list[str]:
    """Every known name, those of the embedded world first."""
    first = [config.name for config in EMBEDDED]
    return first + sorted(set(known_experts()) - set(first))


def build_experts(configured: Sequence[ExpertConfig | dict[str, Any]] = EMBEDDED) -> list[Expert]:
    """The experts in their order.

    Raises:
        UserError: an unknown name or setting, a setting out of range, an expert twice, or no expert at all.
    """
    if isinstance(configured, str | dict):
        raise UserError("experts is no list: write one entry with a name for each expert (- name: detector).")
    if not configured:
        raise UserError(f"The list of experts is empty: name at least one of {', '.join(names())}.")
    experts: list[Expert] = []
    for entry in configured:
        config = expert_config(entry)
        if any(expert.name == config.name for expert in experts):
            raise UserError(f"The expert {config.name} is listed twice: keep one entry, with the settings you want.")
        experts.append(build_expert(config))
    return experts


def expert_config(raw: ExpertConfig | dict[str, Any]) -> ExpertConfig:
    """One entry of the configuration, which comes as a dict; UserError when it has not its form."""
    try:
        return ExpertConfig.model_validate(raw)
    except ValidationError as error:
        raise UserError(f"The expert entry {raw!r} is not right ({_first(error)}): write name and settings.") from error


def made_of(configured: Sequence[ExpertConfig | dict[str, Any]]) -> tuple[list[str], list[Path]]:
    """The modules of the experts, and the files and folders that their settings name; nothing is loaded."""
    configs = [expert_config(entry) for entry in configured]
    known = known_experts()
    modules = [known.get(config.name, config.name).partition(":")[0] for config in configs]
    settings = [value for config in configs for value in config.settings.values()]
    paths = [path for value in settings if isinstance(value, str) and (path := Path(value).expanduser()).exists()]
    # An expert that is made of others (fusion) lists their entries among its settings.
    inner = [entry for value in settings if isinstance(value, list) for entry in value if _is_entry(entry)]
    deeper: tuple[list[str], list[Path]] = made_of(inner) if inner else ([], [])
    return [*modules, *deeper[0]], [*paths, *deeper[1]]


def _is_entry(value: Any) -> bool:
    return isinstance(value, ExpertConfig) or (isinstance(value, dict) and "name" in value)


def build_expert(config: ExpertConfig) -> Expert:
    """One expert from its entry; UserError as for :func:`build_experts`."""
    kind = _class(config.name)
    if not hasattr(kind, "settings_type"):
        raise UserError(f"The expert {config.name} has no settings_type: see vlrm.experts.base.Expert for its form.")
    try:
        settings = kind.settings_type.model_validate(config.settings)
    except ValidationError as error:
        known = ", ".join(kind.settings_type.model_fields)
        has = f"its settings are {known}" if known else "it has none"
        raise UserError(f"A setting of the expert {config.name} is not right ({_first(error)}): {has}.") from error
    expert = kind(settings)
    if not isinstance(expert, Expert):
        raise UserError(f"The expert {config.name} lacks name, fingerprint or annotate: see vlrm.experts.base.Expert.")
    return expert


def _class(name: str) -> Any:
    address = known_experts().get(name, name)
    if ":" not in address:
        close = difflib.get_close_matches(name, names(), 1)
        guess = f" Did you mean {close[0]}?" if close else ""
        raise UserError(
            f"There is no expert {name!r}: known are {', '.join(names())}, or your own as package.module:Class.{guess}"
        )
    module, _, attribute = address.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"The expert {name!r} cannot be imported ({error}): check module and class.") from error


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return ": ".join([*filter(None, [".".join(map(str, problem["loc"]))]), problem["msg"]])
