"""Stages in processes of their own: side by side where they may, with the same results, and gone with their run."""

import errno
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from kedro.pipeline import Pipeline, node

from test_runner import World, loop
from vlrm.errors import UserError
from vlrm.progress import say
from vlrm.stages import most_awaited_first
from vlrm.workers import SUPPORTED, Workers, _packed

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="stages run side by side on Linux only")


def meet(folder: Path, mine: str, theirs: str) -> bool:
    """Whether the other one is at work at the same time."""
    (folder / mine).touch()
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if (folder / theirs).exists():
            return True
        time.sleep(0.01)
    return False


def test_stages_that_do_not_wait_for_each_other_run_side_by_side(tmp_path):
    world = World(tmp_path)
    pipeline = Pipeline(
        [
            node(lambda start: {"met": meet(tmp_path, "a", "b")}, "start", "state_00", name="one"),
            node(lambda start: {"met": meet(tmp_path, "b", "a")}, "start", "other_00", name="two"),
        ]
    )
    _, shown = world.run(pipeline, workers=2)
    assert [json.loads(world.path(f"{name}_00").read_text()) for name in ("state", "other")] == [{"met": True}] * 2
    assert "1/2" in shown and "2/2" in shown


def test_the_same_comes_out_and_is_recorded_the_same_way(tmp_path):
    worlds = []
    for workers in (1, 2):
        (tmp_path / str(workers)).mkdir()
        world = World(tmp_path / str(workers))
        world.run(workers=workers)
        worlds.append(world)
    one, two = worlds
    for folder in ("setup", "01", "02"):
        assert one.manifest(folder)["digest"] == two.manifest(folder)["digest"]
        assert two.manifest(folder)["sealed"] is (folder != "setup")
    assert two.run(workers=2)[1].strip() == "6 of 6 stages already done: nothing to do"


def test_what_most_others_wait_for_goes_first():
    waiting = most_awaited_first(loop(rounds=3))
    names = []
    while (node := waiting.next()) is not None:
        names.append(node.name)
        waiting.done(node)
    assert names[:4] == ["make", "round_01.grow", "round_02.grow", "round_03.grow"]
    assert sorted(names[4:]) == ["report", "round_01.judge", "round_02.judge", "round_03.judge"]


def fail(start: dict) -> dict:
    raise KeyError("no such colour")


def test_an_error_comes_back_as_it_was_raised_and_what_was_done_stays(tmp_path):
    world = World(tmp_path)
    nodes = [*loop(1).nodes, node(fail, "verdict_01", "other_00", name="fails")]
    with pytest.raises(KeyError, match="no such colour") as told:
        world.run(Pipeline(nodes), workers=2)
    assert "in fail" in told.value.__notes__[0]
    ran, _ = world.run(loop(1))
    assert not {"make", "grow", "judge"} & set(ran)


class Stubborn(Exception):
    """An error that cannot be rebuilt from what it holds."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def test_an_error_that_cannot_be_sent_comes_as_its_words():
    assert str(pickle.loads(_packed(Stubborn(1, 2)))).startswith("Stubborn: 1 and 2")
    kept = pickle.loads(_packed(UserError("give a folder")))
    assert type(kept) is UserError and not hasattr(kept, "__notes__")


def test_what_a_user_can_fix_comes_as_its_sentence_however_it_was_wrapped():
    def wrapped(cause):
        try:
            raise RuntimeError("Failed while saving data to dataset") from cause
        except RuntimeError as error:
            return pickle.loads(_packed(error))

    assert str(wrapped(UserError("give a folder"))) == "give a folder"
    full = wrapped(OSError(errno.ENOSPC, "No space left on device"))
    assert type(full) is UserError and "the disk is full" in str(full)
    assert type(wrapped(KeyError("ours"))) is RuntimeError


def test_a_killed_process_is_named_with_the_way_out():
    with (
        Workers(1, lambda name: os.kill(os.getpid(), signal.SIGKILL)) as workers,
        pytest.raises(UserError, match=r"did round_01\.grow was killed.*workers=1"),
    ):
        workers.start("round_01.grow")
        workers.next_done(lambda name, text: None)


def test_a_process_killed_while_it_waited_is_named_too():
    with Workers(1, print) as workers:
        workers._processes[0].kill()
        workers._processes[0].join()
        with pytest.raises(UserError, match=r"did grow was killed"):
            workers.start("grow")
            workers.next_done(lambda name, text: None)


def test_there_are_no_more_processes_than_stages_to_do(tmp_path):
    world = World(tmp_path)
    whole = loop()
    world.run(whole, workers=2)
    world.path("report").unlink()
    # One stage is left: it runs in this process, so that what it appends is seen here.
    assert world.run(whole, workers=2)[0] == ["report"]


def test_workers_share_the_threads_of_one_process(monkeypatch):
    import torch

    heard = {}
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    with Workers(4, lambda name: say(f"{torch.get_num_threads()} {os.environ['OMP_NUM_THREADS']}")) as workers:
        workers.start("grow")
        workers.next_done(lambda name, text: heard.update({name: text}))
    assert heard == {"grow": "2 2"}


def test_what_stages_say_is_heard():
    heard = []
    with Workers(1, lambda name: say(f"{name} is half done")) as workers:
        workers.start("grow")
        assert workers.next_done(lambda *told: heard.append(told)) == "grow"
    assert heard == [("grow", "grow is half done")]


HANGING = """
    import os, sys, time
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    from kedro.pipeline import Pipeline, node
    from test_runner import World

    def hang(start):
        print(os.getpid(), flush=True)
        time.sleep(120)

    nodes = [
        node(hang, "start", "state_00", name="hang"),
        node(lambda start: {{"value": 1}}, "start", "other_00", name="quick"),
    ]
    World(Path({root!r})).run(Pipeline(nodes), workers=2)
"""


def test_workers_die_with_a_run_that_is_killed(tmp_path):
    script = textwrap.dedent(HANGING).format(tests=str(Path(__file__).parent), root=str(tmp_path))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
    worker = int(child.stdout.readline())
    assert worker != child.pid
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    until = time.monotonic() + 30
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "a stage outlived its run"
        time.sleep(0.05)
