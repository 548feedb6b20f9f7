"""Every environment under conf/ is checked as a run would check it: by the types of the nodes that read it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.validation.exceptions import ParameterValidationError

from vlrm.context import check_names
from vlrm.errors import UserError
from vlrm.registry.promotion import LEAST
from vlrm.reward.by_claim import ASKING

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"
ENVIRONMENTS = sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name not in ("base", "local"))


def parameters(conf: Path, environment: str) -> dict[str, Any]:
    """The validated parameters of an environment. Types know every name inside a group; groups are what base has."""
    check_names(dict.fromkeys(written(conf, environment)), written(conf, "base"))
    with KedroSession.create(ROOT, env=environment, conf_source=str(conf)) as session:
        return session.load_context().params


def written(conf: Path, environment: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted((conf / environment).glob("parameters*.yml")):
        found |= yaml.safe_load(path.read_text()) or {}
    return found


@pytest.fixture(autouse=True, scope="module")
def project():
    bootstrap_project(ROOT)


@pytest.fixture
def copied(tmp_path):
    return Path(shutil.copytree(CONF, tmp_path / "conf"))


def test_there_are_environments_to_check():
    assert {"ci", "full", "smoke"} <= set(ENVIRONMENTS)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_is_valid(environment):
    assert parameters(CONF, environment)["rounds"] >= 1


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_gate_is_large_enough_to_promote(environment):
    gate = parameters(CONF, environment)["gate_exam"]
    assert gate.organic + gate.edited + 2 * gate.quads >= LEAST


@pytest.mark.parametrize(
    ("environment", "by_claim"),
    [("photos", ASKING["photos"].scale), ("gpu", 0), ("ci", ASKING["embedded"].scale)],
)
def test_what_was_chosen_on_the_embedded_world_stays_there(environment, by_claim):
    assert parameters(CONF, environment)["reward"].by_claim == by_claim


def test_an_environment_says_only_what_differs():
    base, smoke = (parameters(CONF, environment) for environment in ("local", "smoke"))
    assert smoke["policy"].candidates != base["policy"].candidates
    assert smoke["policy"].base == base["policy"].base
    assert smoke["policy"].sampling == base["policy"].sampling


def test_a_misspelt_key_inside_a_group_is_named(copied):
    (copied / "full/parameters_more.yml").write_text("reward: {epoch: 2}\n")
    with pytest.raises(ParameterValidationError, match=r"(?s)reward.*epoch\b"):
        parameters(copied, "full")


def test_a_misspelt_group_is_named(copied):
    (copied / "full/parameters_more.yml").write_text("wrold: {report_prompts: 9}\n")
    with pytest.raises(UserError, match=r"no parameter 'wrold'; did you mean 'world'"):
        parameters(copied, "full")


def test_a_value_that_cannot_be_is_named(copied):
    (copied / "full/parameters_more.yml").write_text("reward: {epochs: none}\n")
    with pytest.raises(ParameterValidationError, match="epochs"):
        parameters(copied, "full")
