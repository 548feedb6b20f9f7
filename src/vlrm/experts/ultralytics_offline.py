"""Loads Ultralytics (AGPL-3.0, optional) quietly: offline, nothing installed, nothing synced or logged."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from typing import Any

import numpy as np
from PIL import Image

from vlrm.errors import UserError

_LOUD = (
    "sync",
    "mlflow",
    "clearml",
    "comet",
    "dvc",
    "neptune",
    "raytune",
    "tensorboard",
    "wandb",
    "vscode_msg",
)


def load_ultralytics() -> Any:
    """The ``ultralytics`` module, imported so that it neither calls home nor leaves files behind.

    Its settings live in a folder of this process. Where something imported it before us, its settings are the
    user's own and stay as they are.

    Raises:
        UserError: the package is not installed.
    """
    if "ultralytics" in sys.modules:
        return sys.modules["ultralytics"]
    folder = tempfile.mkdtemp(prefix="vlrm-ultralytics-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_CONFIG_DIR=folder)
    os.environ.setdefault("YOLO_VERBOSE", "false")
    opened = Image.open
    try:
        with np.printoptions():  # it changes them for the whole process
            import ultralytics
            from ultralytics.utils import patches  # noqa: F401  it replaces Image.open
    except ImportError as error:
        raise UserError(
            "The detector expert needs Ultralytics (AGPL-3.0), which is not installed: "
            "run `pip install vlrm[embedded]`, or take the detector out of the list of experts."
        ) from error
    # Its own version of this function answers a file that is no image by trying to install a package.
    Image.open = opened
    # Its integrations would log a training into whatever MLflow or Comet project is active.
    ultralytics.settings.update({name: False for name in _LOUD if name in ultralytics.settings})
    return ultralytics
