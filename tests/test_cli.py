"""``kedro run`` as a user meets it: rounds from the command line, one sentence for what they can fix."""

import errno

import pytest
from kedro.io import DatasetError
from mlflow.exceptions import MlflowException
from safetensors import SafetensorError

from tiny_project import create, kedro_run
from vlrm.context import check_experiment, check_names, whole_number
from vlrm.errors import UserError
from vlrm.telling import sentence


@pytest.fixture
def project(tmp_path):
    return create(tmp_path)


def test_rounds_come_from_the_command_line_and_a_rerun_does_nothing(project):
    first = kedro_run(project, "--pipeline", "iterate", "--params", "rounds=2")
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
    assert [line.split()[1:4] for line in first.stdout.splitlines()][1] == ["round", "01", "grow"]
    again = kedro_run(project, "--pipelines", "iterate", "--params", "rounds=2")
    said = again.stdout.strip().splitlines()
    assert said[0] == "4 of 4 stages already done: nothing to do"
    assert len(said) == 2
    assert said[1].startswith("Results are in ")
    assert kedro_run(project).returncode == 0
    assert (project / "data/rounds/default/03/manifest.json").exists()


def test_from_a_folder_inside_the_project_it_runs_as_from_the_project(project):
    done = kedro_run(project, "--params", "rounds=1", inside="conf")
    assert done.returncode == 0, done.stderr
    assert f"paths are relative to {project}\n" in done.stdout
    assert (project / "data/rounds/default/01/manifest.json").exists() and not (project / "conf" / "data").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--params", "ruonds=2"],
            "the configuration declares no parameter 'ruonds'; did you mean 'rounds'.",
        ),
        (
            ["--params", "rule.step=two"],
            "parameters are not valid: rule.step: Input should be a valid integer",
        ),
        (["--params", "data=pyproject.toml"], "cannot write to"),
        (["--pipelines", "iterat"], "Failed to find the pipeline named 'iterat'. Did you mean one of these"),
    ],
)
def test_what_a_user_can_fix_is_one_sentence(project, words, told):
    done = kedro_run(project, *words)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_misspelt_name_is_told_with_its_place():
    known = {"rounds": 3, "rule": {"step": 1, "note": "a"}, "free": {}}
    check_names({"rounds": 5, "rule": {"step": 2}, "free": {"anything": 1}}, known)
    check_names({"rule": {"length_twins": False}}, {"rule": {"step": 1}})  # left to the type of the group
    with pytest.raises(UserError, match=r"no parameter 'rule\.stp'; did you mean 'rule\.step'"):
        check_names({"rule": {"stp": 2}}, known)
    with pytest.raises(UserError, match=r"no parameter 'x'; there are free, rounds, rule"):
        check_names({"x": 2}, known)


@pytest.mark.parametrize("value", [0, -1, 2.5, "two", True, None])
def test_rounds_are_a_whole_number(value):
    with pytest.raises(UserError, match="rounds must be a whole number of at least 1"):
        whole_number("rounds", value)


@pytest.mark.parametrize("name", ["../up", "a/b", ".index", "", 3])
def test_an_experiment_stays_in_its_folder(name):
    with pytest.raises(UserError, match="parameter experiment must be a name"):
        check_experiment(name)


def test_a_full_disk_says_that_nothing_finished_is_lost():
    wrapped = DatasetError("Failed while saving")
    wrapped.__cause__ = OSError(errno.ENOSPC, "No space left on device", "data/x.parquet")
    assert sentence(wrapped) == (
        "cannot write data/x.parquet: the disk is full: make room and run the same command again, finished stages are kept."
    )


def test_a_disk_that_fills_in_the_middle_of_a_file_is_one_sentence():
    assert sentence(OSError(errno.ENOSPC, "No space left on device")).startswith(
        "cannot write a file: the disk is full"
    )
    assert sentence(OSError(errno.EACCES, "Permission denied")) is None  # not known to be about a file
    full = MlflowException("(sqlite3.OperationalError) database or disk is full [SQL: INSERT INTO metrics ...]")
    assert sentence(full).startswith("cannot write MLflow's database: the disk is full")


def test_a_disk_that_fills_while_a_model_is_saved_is_one_sentence():
    error = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert "the disk is full" in sentence(error)
    assert sentence(SafetensorError("header too large")) is None


def test_a_changed_parameter_of_a_finished_round_is_one_sentence(project):
    kedro_run(project, "--params", "rounds=1")
    done = kedro_run(project, "--params", "rounds=1,rule.step=5")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "Error: round 01 of experiment 'default' is finished, but parameter rule.step changed (1 -> 5)"
    )
    other = kedro_run(project, "--params", "rounds=1,rule.step=5,experiment=steps")
    assert other.returncode == 0 and "from experiment default" in other.stdout


def test_a_mistake_of_ours_keeps_its_traceback():
    assert sentence(ZeroDivisionError("division by zero")) is None


def test_an_environment_keeps_its_globals_and_may_add_no_group(project):
    (project / "conf/small").mkdir()
    (project / "conf/small/globals.yml").write_text("experiment: small\n")
    done = kedro_run(project, "--env", "small", "--params", "rounds=1")
    assert done.returncode == 0, done.stderr
    assert (project / "data/rounds/small/01/manifest.json").exists()
    (project / "conf/small/parameters.yml").write_text("rul: {step: 2}\n")
    done = kedro_run(project, "--env", "small")
    assert done.returncode == 1
    assert done.stderr.strip() == "Error: the configuration declares no parameter 'rul'; did you mean 'rule'."
