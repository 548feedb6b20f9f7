"""Embedded training as a pipeline: detector and VLM, from seeds to weights with their provenance."""

from __future__ import annotations

from pathlib import Path

from kedro.pipeline import Pipeline, node

from vlrm.embedded.train import VlmTraining, train_vlm
from vlrm.experts.training import DetectorTraining, train
from vlrm.progress import say


class TrainedVlm:
    """The embedded VLM on its way to a folder: trained when it is saved, so that it is never held twice."""

    def __init__(self, settings: VlmTraining) -> None:
        self.settings = settings

    def save(self, path: Path) -> None:
        train_vlm(path, self.settings, say)


def train_detector_node(settings: DetectorTraining) -> Path:
    train(settings)
    return settings.out


def create_pipeline() -> Pipeline:
    return Pipeline(
        [
            node(train_detector_node, "params:detector_training", "embedded_detector", name="train_detector"),
            node(TrainedVlm, "params:vlm_training", "embedded_vlm", name="train_vlm"),
        ],
        namespace="embedded_training",
        prefix_datasets_with_namespace=False,
    )
