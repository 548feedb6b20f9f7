"""Kedro's project settings."""

from vlrm.context import VlrmContext
from vlrm.ending import EndingHooks
from vlrm.hooks import TrackingHooks
from vlrm.preflight import PreflightHooks
from vlrm.session import VlrmSession

CONTEXT_CLASS = VlrmContext
SESSION_CLASS = VlrmSession
HOOKS = (PreflightHooks(), EndingHooks(), TrackingHooks())
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry", "kedro_telemetry", "kedro-viz", "kedro_viz")
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {"mlflow": ["mlflow*", "mlflow*/**"]},
    # an environment says only what differs: without this a group it names would lose what base says of it
    "merge_strategy": {"parameters": "soft"},
}
