"""The kernels compiled for A100 and H100 without either: nothing spilled, vector loads, little shared memory."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "kernels"

pytestmark = [
    pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed"),
    pytest.mark.xdist_group("triton_ahead_of_time"),  # the kernels are compiled once
]

CODE = """
import json
from dataclasses import asdict
from vlrm_kernels.ahead_of_time import ARCHITECTURES, builds, compiled
from vlrm_kernels.lm_head.builds import scoring
wide = scoring("bf16", {"BLOCK_T": 128, "BLOCK_V": 256, "BLOCK_D": 64, "num_warps": 8, "num_stages": 3})
print(json.dumps({
    "kernels": [asdict(compiled(b, a)) for b in builds() for a in ARCHITECTURES],
    "wide": asdict(compiled(wide, 80)),
}))
"""


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    # A process of its own, without the interpreter's variable: there is no compiler under it.
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment |= {"PYTHONPATH": str(KERNELS), "TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("triton"))}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_kernel_is_compiled_for_both(report):
    from vlrm_kernels.ahead_of_time import ARCHITECTURES

    sources = (KERNELS / "vlrm_kernels").glob("*/kernel.py")
    launched = sum(source.read_text().count("_kernel[(") for source in sources)
    assert launched == 6
    assert {c["architecture"] for c in report["kernels"]} == set(ARCHITECTURES)
    assert len(report["kernels"]) == 2 * len({c["name"] for c in report["kernels"]}) >= 2 * launched


def test_no_kernel_spills(report):
    assert [c for c in report["kernels"] if c["spills"]] == []


def test_the_spill_check_bites(report):
    assert report["wide"]["spills"] > 0


def test_loads_are_vectors(report):
    assert [c["name"] for c in report["kernels"] if not c["vector_loads"]] == []


def test_at_most_100_kib_of_shared_memory(report):
    assert max(c["shared"] for c in report["kernels"]) <= 100 * 1024
