"""One process of a training in several: ``accelerate launch --config_file FILE -m vlrm.reward.worker FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from vlrm.reward.launch import work_through

if __name__ == "__main__":
    work_through(Path(sys.argv[1]))
