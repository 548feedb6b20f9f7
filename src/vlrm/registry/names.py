"""What the registry calls a reward model and its two aliases."""

from __future__ import annotations

NAME = "vlrm-reward-model"
CHAMPION, CHALLENGER = "champion", "challenger"
