"""What would only fail after an hour of work is refused before the first stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro.framework.hooks import hook_impl

from vlrm.stages import CONTENT, check_there

if TYPE_CHECKING:
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline

REWARD = "params:reward"
POLICY = "params:policy"


class PreflightHooks:
    """Looks at what is to run and at its parameters."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Refuse to train what this machine cannot, and files that are not there.

        A base model that is made on first use is made here, when all else is right.
        """
        for name in sorted(CONTENT):
            full = f"params:{name}"
            if full in pipeline.inputs() and catalog.exists(full) and (value := catalog.load(full)) is not None:
                check_there(name, value)
        if REWARD in pipeline.inputs():
            from vlrm.reward.learning import check_ready
            from vlrm.reward.settings import RewardTraining

            check_ready(RewardTraining.model_validate(catalog.load(REWARD)))
            if POLICY in pipeline.inputs():
                from vlrm.pipelines.settings import Policy
                from vlrm.seeing.smollm2 import set_up

                set_up(Policy.model_validate(catalog.load(POLICY)).base)
