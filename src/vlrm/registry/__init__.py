"""MLflow: what a run logs, the model registry, promotion of a challenger, packaging and serving."""

import os

# Read by MLflow when it is imported, so they are set before any module here does: nothing leaves the machine
# unasked, and a run shows its own progress only.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
