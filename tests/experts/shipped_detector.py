"""Where the shipped detector lies, for the tests that need it."""

from pathlib import Path

import pytest

from vlrm.experts.detector import DEFAULT_WEIGHTS, WEIGHTS

SHIPPED = Path(__file__).parents[2] / DEFAULT_WEIGHTS
needs_weights = pytest.mark.skipif(not (SHIPPED / WEIGHTS).exists(), reason="the embedded detector is not trained yet")
