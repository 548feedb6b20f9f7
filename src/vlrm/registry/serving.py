"""The reward model as MLflow serves it: rows of image, question, response in, rewards out."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from mlflow.models import set_model

if TYPE_CHECKING:
    from PIL import Image

COLUMNS = ("image", "question", "response")


class RewardModelService(mlflow.pyfunc.PythonModel):
    """Loads the folder logged as ``reward_model``; the ``image`` column holds base64 of a PNG, JPEG or
    WebP file, or
    a path on the serving machine when the server was started with ``VLRM_SERVE_PATHS=1``."""

    def load_context(self, context: Any) -> None:
        from vlrm.reward.scoring import Scorer

        self._scorer = Scorer.load(Path(context.artifacts["reward_model"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        missing = [name for name in COLUMNS if name not in model_input.columns]
        if missing:
            raise ValueError(f"the input lacks the columns {', '.join(missing)}: it needs {', '.join(COLUMNS)}")
        rows = [
            (open_image(image, place), str(question), str(response))
            for place, (image, question, response) in enumerate(
                model_input[list(COLUMNS)].itertuples(index=False, name=None)
            )
        ]
        rewards: Any = self._scorer.rewards(rows) if rows else []
        return pd.DataFrame({"reward": [float(reward) for reward in rewards]})


def open_image(value: str | bytes, row: int) -> Image.Image:
    """RGB image from base64 text, raw bytes, or (where the server allows it) a path.

    :raises ValueError: naming the row, when it is none of these.
    """
    import os

    from vlrm.errors import UserError
    from vlrm.images import decode_image

    try:
        if isinstance(value, bytes):
            data = value
        elif os.environ.get("VLRM_SERVE_PATHS") == "1" and len(value) < 4096 and Path(value).is_file():
            data = Path(value).read_bytes()
        else:
            data = base64.b64decode(value, validate=True)
        return decode_image(data, f"the image of row {row}")
    except UserError as error:
        raise ValueError(str(error)) from error
    except (OSError, ValueError, binascii.Error) as error:
        raise ValueError(f"row {row}: the image is not base64 of a PNG, JPEG or WebP file ({error})") from error


set_model(RewardModelService())
