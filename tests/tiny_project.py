"""A tiny Kedro project on disk that lives in vlrm's house: its settings, session, runner, hooks and ``kedro run``."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

PIPELINES = """
from kedro.pipeline import Pipeline, node
from pydantic import BaseModel

ROUNDS = 1


class Rule(BaseModel, extra="forbid"):
    step: int = 1
    fail_at: int = 99


def configure(rounds, newest=None, answers=False, answered=False, asking=False, own_images=False):
    global ROUNDS
    ROUNDS = rounds


def start(seed: int) -> dict:
    return {"value": seed}


def grow(before: dict, rule: Rule) -> tuple[dict, dict]:
    value = before["value"] + rule.step
    if value >= rule.fail_at:
        raise ArithmeticError(f"value {value} is too large")
    return {"value": value}, {"value": value, "interval": {"low": value - 1}, "name": "x", "ok": True}


def show(*values: dict) -> str:
    return f"<p>{[v['value'] for v in values]}</p>"


def registered():
    nodes = [node(start, "params:seed", "state_00", name="start")]
    for r in range(1, ROUNDS + 1):
        nodes.append(
            node(grow, [f"state_{r - 1:02d}", "params:rule"], [f"state_{r:02d}", f"metrics_{r:02d}"],
                 name="grow", namespace=f"round_{r:02d}")
        )
    nodes.append(node(show, [f"state_{r:02d}" for r in range(ROUNDS + 1)], "report", name="show"))
    loop = Pipeline(nodes)
    peek = Pipeline([node(start, "params:seed", "peeked", name="peek", tags=["traceless"])])
    return {"__default__": loop, "iterate": loop, "first": loop.filter(node_names=["start"]), "peek": peek}
"""
CATALOG = """
_line: ${runtime_params:data, ${globals:data}}/rounds/${runtime_params:experiment, ${globals:experiment}}
"state_{round}": {type: vlrm.catalog.JsonDocument, filepath: "${_line}/{round}/state.json"}
"metrics_{round}": {type: vlrm.catalog.JsonDocument, filepath: "${_line}/{round}/metrics.json"}
peeked: {type: vlrm.catalog.JsonDocument, filepath: "${runtime_params:data, ${globals:data}}/peeked.json"}
report: {type: vlrm.catalog.TextFile, filepath: "${_line}/report.html"}
"""
FILES = {
    "pyproject.toml": '[tool.kedro]\npackage_name = "tiny"\nproject_name = "tiny"\nkedro_init_version = "1.7.0"\n',
    "src/tiny/__init__.py": "",
    "src/tiny/settings.py": "from vlrm.settings import *  # noqa: F403\n",
    "src/tiny/cli.py": "from vlrm.cli import cli  # noqa: F401\n",
    "src/tiny/pipeline_registry.py": "from tiny.pipelines import registered as register_pipelines  # noqa: F401\n",
    "src/tiny/pipelines.py": PIPELINES,
    "conf/base/catalog.yml": CATALOG,
    "conf/base/parameters_rule.yml": "rule: {step: 1, fail_at: 99}\n",
    "conf/local/.gitkeep": "",
    ".telemetry": "consent: false\n",
}


def create(root: Path, tracking: bool = False) -> Path:
    """Write the project under ``root``; the configuration that is not about its pipeline is vlrm's own."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("logging.yml", "base/globals.yml", "base/parameters.yml", "base/mlflow.yml"):
        shutil.copy(ROOT / "conf" / name, root / "conf" / name)
    if not tracking:
        (root / "conf/base/mlflow.yml").write_text("enabled: false\n")
    return root


def environment(root: Path) -> dict[str, str]:
    """What a ``kedro`` command in ``root`` needs to find its code, and to be quiet."""
    paths = [str(root / "src"), str(ROOT / "src"), *sys.path]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | quiet


def kedro_run(root: Path, *words: str, inside: str = ".") -> subprocess.CompletedProcess[str]:
    """``kedro run`` as a user types it, in a folder of the project."""
    command = [sys.executable, "-m", "kedro", "run", *words]
    return subprocess.run(
        command, cwd=root / inside, env=environment(root), capture_output=True, text=True, check=False
    )
