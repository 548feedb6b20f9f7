"""Peak memory of a run: children count, and what was freed before the end is not forgotten."""

import subprocess
import sys
import time

import pytest

from vlrm import memory

HOLDS = "import sys; held = bytearray({megabytes} * 2**20); print('holding', flush=True); sys.stdin.read()"


def child(megabytes: int) -> subprocess.Popen:
    words = [sys.executable, "-c", HOLDS.format(megabytes=megabytes)]
    started = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdout.readline() == "holding\n"
    return started


def output(script: str, *given: str) -> str:
    """What a Python of its own prints."""
    told = [sys.executable, "-c", script, *given]
    return subprocess.run(told, capture_output=True, text=True, check=True).stdout


def test_children_count_together_and_are_remembered_after_they_end():
    alone = memory.tree_bytes() / 2**20
    with memory.watching(every=0.02):
        children = [child(150), child(150)]
        seen = time.monotonic() + 30
        while memory._peak / 2**20 < alone + 300 and time.monotonic() < seen:
            time.sleep(0.02)
        for one in children:
            one.communicate("")
        assert memory.tree_bytes() / 2**20 < alone + 150
    assert memory.peak_mb() > alone + 300


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc gives back what lies between what is held")
def test_what_was_freed_is_given_back():
    script = (
        "from vlrm import memory\n"
        "pieces = [bytes(4096) + b'x' for _ in range(50_000)]\n"
        "kept = pieces[::25]; del pieces\n"
        "before = memory.tree_bytes(); memory.give_back(); print((before - memory.tree_bytes()) / 2**20)"
    )
    assert float(output(script)) > 100


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how many processes share a page")
def test_what_a_fork_shares_counts_once():
    script = (
        "import os, sys; held = bytearray(b'x') * (300 * 2**20); from vlrm import memory; alone = memory.tree_bytes()\n"
        "reading, writing = os.pipe()\n"
        "if os.fork() == 0: os.close(writing); os.read(reading, 1); os._exit(0)\n"
        "print(memory.tree_bytes() / alone)"
    )
    assert 0.9 < float(output(script)) < 1.3


def test_a_short_burst_of_this_process_is_not_missed():
    script = "from vlrm import memory; held = bytearray(400 * 2**20); del held; print(memory.peak_mb())"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert float(shown) > 400


def test_the_mark_of_the_program_that_started_this_one_is_not_counted():
    held = bytearray(500 * 2**20)
    script = "from vlrm import memory; print(memory.peak_mb())"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert held and float(shown) < 400


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told what to keep")
def test_what_was_freed_within_a_stage_is_used_again_and_then_given_back():
    script = (
        "import resource, sys\n"
        "from vlrm import memory\n"
        "if sys.argv[1] == 'keep': memory.keep_freed()\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(5): bytearray(64 * 2**20)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "faults()\n"
        "again, held = faults(), memory.tree_bytes(); memory.give_back()\n"
        "print(again, (held - memory.tree_bytes()) / 2**20)"
    )
    (kept, given_back), (anew, _) = (map(float, output(script, how).split()) for how in ("keep", "default"))
    assert kept < anew / 10
    assert given_back > 60
