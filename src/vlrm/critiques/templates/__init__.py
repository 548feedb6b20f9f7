"""How a critic is asked and what it may write, one versioned template per family of models.

A template's name ends in its version. Once critiques were sampled with it, its words stay as they are: a change is a
new version beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlrm.critiques.templates.embedded import EMBEDDED_1
from vlrm.critiques.templates.instruct import INSTRUCT_1
from vlrm.critiques.templates.small import SMALL_1
from vlrm.errors import UserError

if TYPE_CHECKING:
    from vlrm.critiques.templates.template import Template

AUTO = "auto"
TEMPLATES: dict[str, Template] = {template.name: template for template in (EMBEDDED_1, INSTRUCT_1, SMALL_1)}
_EMBEDDED_TOWER = "vlrm_scene_tower"


def named(name: str) -> Template:
    """The template of this name."""
    if name not in TEMPLATES:
        raise UserError(f"parameter critiques.template must be {AUTO} or one of {', '.join(TEMPLATES)}, not '{name}'.")
    return TEMPLATES[name]


def choose(setting: str, config: Any = None) -> Template:
    """The template that ``critiques.template`` names; ``auto`` goes by the base model's ``config`` (None: an endpoint).

    The embedded model is known by its vision tower; every other model counts as tuned to follow instructions.
    """
    if setting != AUTO:
        return named(setting)
    tower = getattr(getattr(config, "vision_config", None), "model_type", None)
    return EMBEDDED_1 if tower == _EMBEDDED_TOWER else INSTRUCT_1
