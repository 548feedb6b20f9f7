"""``kedro run --pipelines best_of_n``: what choosing among N candidates by a reward model does to false claims."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from vlrm.lineage.ledger import TRACELESS
from vlrm.pipelines.best_of_n.nodes import choose_among_drawn, choose_among_given

OUTPUTS = ["best_of_n_curve", "best_of_n_page"]


def create_pipeline(given: bool) -> Pipeline:
    """``given``: the candidates are the user's (``responses=``); otherwise the policy draws them."""
    drawn = node(
        choose_among_drawn,
        ["round_00.report_prompts", "round_00.report_scenes", "params:model", "params:policy", "params:best_of_n",
         "params:seed", "params:experiment", "params:data"],
        OUTPUTS,
        name="choose_among_drawn",
        tags=[TRACELESS],
    )  # fmt: skip
    own = node(
        choose_among_given,
        ["params:model", "params:responses", "params:images", "params:truth", "params:experiment", "params:data"],
        OUTPUTS,
        name="choose_among_given",
        tags=[TRACELESS],
    )
    return Pipeline([own if given else drawn], namespace="best_of_n", prefix_datasets_with_namespace=False)
