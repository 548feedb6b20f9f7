"""What a rerun does: nothing when all is done, only what changed otherwise, and never a finished round unasked."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from io import StringIO
from pathlib import Path

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from rich.console import Console

from vlrm.catalog import JsonDocument
from vlrm.errors import UserError
from vlrm.lineage.ledger import HOME, IMPORTS, REGISTERS
from vlrm.runner import LineageRunner
from vlrm.stages import folder_of

RAN: list[str] = []


def make(start: dict, scale: int) -> dict:
    RAN.append("make")
    return {"value": start["value"] * scale}


def grow(before: dict, rule: dict) -> dict:
    RAN.append("grow")
    return {"value": before["value"] + rule["step"]}


def judge(state: dict) -> dict:
    RAN.append("judge")
    return {"even": state["value"] % 2 == 0}


def report(*states: dict) -> dict:
    RAN.append("report")
    return {"values": [state["value"] for state in states]}


def loop(rounds: int = 2) -> Pipeline:
    nodes = [node(make, ["start", "params:scale"], "state_00", name="make")]
    for r in range(1, rounds + 1):
        space = f"round_{r:02d}"
        nodes += [
            node(grow, [f"state_{r - 1:02d}", "params:rule"], f"state_{r:02d}", name="grow", namespace=space),
            node(judge, f"state_{r:02d}", f"verdict_{r:02d}", name="judge", namespace=space),
        ]
    nodes.append(node(report, [f"state_{r:02d}" for r in range(rounds + 1)], "report", name="report"))
    return Pipeline(nodes)


class World:
    """A data folder, and runs in it."""

    def __init__(self, root: Path):
        self.root = root
        (root / "start.json").write_text('{"value": 5}')

    def path(self, name: str, experiment: str = "default") -> Path:
        folder = name[-2:] if name[-2:].isdigit() and name[-2:] != "00" else "setup"
        return self.root / "data/rounds" / experiment / folder / f"{name}.json"

    def run(
        self, pipeline: Pipeline | None = None, whole: Pipeline | None = None, **parameters
    ) -> tuple[list[str], str]:
        """The functions that ran, and what the terminal showed."""
        values = {
            "scale": 2,
            "rule": {"step": 1, "note": "a"},
            "experiment": "default",
            "overwrite": False,
        } | parameters
        pipeline = pipeline or loop()
        names = [n for n in pipeline.datasets() if not n.startswith("params:") and n != "start"]
        datasets = {name: JsonDocument(str(self.path(name, values["experiment"]))) for name in names}
        datasets |= {f"params:{name}": MemoryDataset(value) for name, value in values.items()}
        catalog = DataCatalog(datasets | {"start": JsonDocument(str(self.root / "start.json"))})
        RAN.clear()
        shown = StringIO()
        LineageRunner(self.root, lambda: whole, Console(file=shown, width=160)).run(pipeline, catalog)
        return list(RAN), shown.getvalue()

    def manifest(self, folder: str, experiment: str = "default") -> dict:
        return json.loads((self.root / "data/rounds" / experiment / folder / "manifest.json").read_text())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_folder_of_a_node_is_its_round():
    assert folder_of("round_03.rm_training") == "03"
    assert folder_of("self_labelled.round_03.rm_training") == "self_labelled/03"
    assert folder_of(None) == folder_of("exam") == "setup"


def test_finished_work_is_not_done_again(world):
    ran, _ = world.run()
    assert sorted(ran) == ["grow", "grow", "judge", "judge", "make", "report"]
    before = {path: path.stat().st_mtime_ns for path in world.root.rglob("*.json")}
    ran, shown = world.run()
    assert ran == []
    assert "6 of 6 stages already done: nothing to do" in shown
    assert before == {path: path.stat().st_mtime_ns for path in world.root.rglob("*.json")}


def test_the_manifest_says_what_made_a_round(world):
    world.run()
    first, second = world.manifest("01"), world.manifest("02")
    assert first["sealed"] and second["sealed"] and not world.manifest("setup")["sealed"]
    assert second["parent"] == {"round": "01", "digest": first["digest"]}
    grown = second["stages"]["round_02.grow"]
    assert grown["parameters"] == {"rule": {"step": 1, "note": "a"}}
    assert grown["inputs"]["state_01"] == first["stages"]["round_01.grow"]["outputs"]["state_01"]
    assert grown["paths"] == {"state_02": "data/rounds/default/02/state_02.json"}
    assert first["code"]["versions"]["python"] == sys.version.split()[0]


def test_a_changed_parameter_of_a_finished_round_is_named(world):
    world.run()
    files = {path: path.read_bytes() for path in world.root.rglob("*.json")}
    with pytest.raises(UserError, match=r"round 01 .*parameter rule\.step changed \(1 -> 3\).*experiment=NAME") as told:
        world.run(rule={"step": 3, "note": "a"})
    assert "note" not in str(told.value)
    assert files == {path: path.read_bytes() for path in world.root.rglob("*.json")}


def test_a_change_before_the_rounds_is_named_at_its_root_before_anything_is_written(world):
    world.run()
    with pytest.raises(UserError, match=r"parameter scale changed \(2 -> 7\)"):
        world.run(scale=7)
    assert RAN == []
    (world.root / "start.json").write_text('{"value": 6}')
    with pytest.raises(UserError, match=r"input start changed \([0-9a-f]{8} -> [0-9a-f]{8}\)"):
        world.run()
    assert RAN == []


def test_a_new_experiment_reuses_what_the_change_does_not_touch(world):
    world.run()
    ran, shown = world.run(experiment="other", rule={"step": 3, "note": "a"})
    assert "make" not in ran and ran.count("grow") == 2
    assert "from experiment default" in shown
    assert world.manifest("setup", "other")["stages"]["make"]["reused_from"] == "default"
    assert world.path("state_00", "other").read_bytes() == world.path("state_00").read_bytes()
    assert json.loads(world.path("state_02", "other").read_text()) == {"value": 16}
    assert json.loads(world.path("state_02").read_text()) == {"value": 12}


def test_work_that_was_edited_is_not_reused(world):
    world.run()
    world.path("state_00").write_text('{"value": 99}')
    ran, _ = world.run(experiment="other")
    assert "make" in ran
    assert json.loads(world.path("state_00", "other").read_text()) == {"value": 10}


def test_overwrite_redoes_what_the_change_touches(world):
    world.run()
    ran, _ = world.run(rule={"step": 3, "note": "a"}, overwrite=True)
    assert "make" not in ran and ran.count("grow") == 2
    assert json.loads(world.path("state_02").read_text()) == {"value": 16}
    assert world.manifest("01")["sealed"] and world.manifest("02")["sealed"]
    assert world.run(rule={"step": 3, "note": "a"})[0] == []


def test_more_rounds_leave_the_finished_ones_alone(world):
    world.run(loop(2))
    ran, _ = world.run(loop(4))
    assert sorted(ran) == ["grow", "grow", "judge", "judge", "report"]
    assert world.manifest("04")["sealed"]


def test_a_deleted_file_is_made_again_and_an_edited_one_is_named(world):
    world.run()
    world.path("state_01").unlink()
    assert world.run()[0] == ["grow"]
    world.path("state_01").write_text('{"value": 1}')
    with pytest.raises(UserError, match=r"round 01 .*state_01\.json was edited"):
        world.run()


def tagged() -> Pipeline:
    """The loop; the first stage stores an image, and the last one registers a model."""
    tags = {"make": [IMPORTS], "report": [HOME, REGISTERS]}
    return Pipeline([n.tag(tags.get(n.name, [])) for n in loop().nodes])


def test_what_a_stage_also_left_is_made_again_where_all_of_it_is_gone(world):
    data = world.root / "data"
    store, registry = data / "01_raw" / "images" / "ab", data / "mlflow.db"
    store.mkdir(parents=True)
    with sqlite3.connect(registry) as database:
        database.execute("CREATE TABLE model_versions (name TEXT)")
        database.execute("INSERT INTO model_versions VALUES ('m')")
    world.run(tagged())
    assert world.run(tagged())[0] == []
    store.rmdir()  # as where rounds are copied without images
    assert world.run(tagged())[0] == ["make"]
    store.mkdir()
    registry.rename(data / "old.db")
    assert world.run(tagged())[0] == ["report"]
    (data / "old.db").rename(registry)
    assert world.run(tagged())[0] == []


def test_a_lost_image_is_not_taken_from_another_experiment(world):
    world.run(tagged())
    image = world.root / "data" / "01_raw" / "images" / "ab"
    image.mkdir(parents=True)
    assert "make" not in world.run(tagged(), experiment="second")[0]
    image.rmdir()
    assert "make" in world.run(tagged(), experiment="third")[0]


def test_part_of_a_round_does_not_seal_it(world):
    whole = loop()
    part = Pipeline([n for n in whole.nodes if n.name in ("make", "round_01.grow")])
    world.run(part, whole)
    assert not world.manifest("01")["sealed"]
    world.run(whole, whole)
    assert world.manifest("01")["sealed"]


def test_a_stage_redone_alone_leaves_its_round_unfinished_until_the_rest_follows(world):
    whole = loop()
    world.run(whole, whole)
    part = Pipeline([n for n in whole.nodes if n.name == "round_02.grow"])
    world.run(part, whole, overwrite=True, rule={"step": 4, "note": "a"})
    assert world.manifest("01")["sealed"] and not world.manifest("02")["sealed"]


def test_an_output_without_a_file_is_refused(world):
    catalog = DataCatalog({"start": JsonDocument(str(world.root / "start.json")), "params:scale": MemoryDataset(2)})
    pipeline = Pipeline([node(make, ["start", "params:scale"], "nowhere", name="make")])
    with pytest.raises(UserError, match=r"dataset 'nowhere' has no file.*catalog\.yml"):
        LineageRunner(world.root, console=Console(file=StringIO())).run(pipeline, catalog)


def test_a_missing_input_names_what_to_run(world):
    part = Pipeline([n for n in loop().nodes if n.name == "round_02.grow"])
    with pytest.raises(UserError, match=r"'state_01' .*does not exist yet"):
        world.run(part)


def test_an_unwritable_data_folder_is_one_sentence(world):
    (world.root / "data").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"cannot write to .*data/rounds/default.*data=FOLDER"):
        world.run()


def test_a_users_files_enter_the_key_by_content(world):
    images = world.root / "photos"
    images.mkdir()
    (images / "a.png").write_bytes(b"one")
    pipeline = Pipeline([node(lambda folder: {"n": 1}, "params:images", "state_00", name="read")])
    world.run(pipeline, images=str(images))
    assert "nothing to do" in world.run(pipeline, images=str(images))[1]
    (images / "a.png").write_bytes(b"two")
    assert "nothing to do" not in world.run(pipeline, images=str(images))[1]
    with pytest.raises(UserError, match=r"images=.*gone does not exist"):
        world.run(pipeline, images=str(world.root / "gone"))


@pytest.mark.parametrize("brought", [True, False])
def test_the_number_of_rounds_enters_the_key_where_files_are_dealt_out(world, brought):
    (world.root / "photos").mkdir()
    images = str(world.root / "photos") if brought else None
    named = ["params:images", "params:rounds"]
    pipeline = Pipeline([node(lambda folder, rounds: {"n": 1}, named, "state_00", name="deal")])
    world.run(pipeline, images=images, rounds=2)
    shown = world.run(pipeline, images=images, rounds=3)[1]
    assert ("nothing to do" in shown) is not brought


KILLED = """
    import os, sys, time
    sys.path.insert(0, {tests!r})
    import test_runner as t
    from pathlib import Path

    def hang(before, rule):
        if before["value"] == 11:
            print("hanging", flush=True)
            time.sleep(60)
        return {{"value": before["value"] + rule["step"]}}

    hang.__module__, hang.__name__ = t.grow.__module__, "grow"
    t.grow = hang
    t.World(Path({root!r})).run()
"""


def test_kill_9_loses_only_the_stage_in_flight(world):
    script = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent), root=str(world.root))
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=_environment())
    assert child.stdout.readline().strip() == "hanging"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not world.path("state_02").exists()
    ran, shown = world.run()
    assert ran.count("grow") == 1 and "make" not in ran
    assert "already done" in shown
    assert json.loads(world.path("state_02").read_text()) == {"value": 12}
    assert world.manifest("02")["sealed"]


def test_two_runs_of_one_experiment_do_not_meet(world):
    script = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent), root=str(world.root))
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=_environment())
    try:
        assert child.stdout.readline().strip() == "hanging"
        with pytest.raises(UserError, match="another run is writing experiment 'default'"):
            world.run()
        assert world.run(experiment="other")[1]
    finally:
        child.kill()
        child.wait()


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
