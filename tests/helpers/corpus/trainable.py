# SPDX-License-Identifier: Apache-2.0
"""A model with its training."""
import os

from cog import BaseModel, BasePredictor, Input, Path


class TrainingOutput(BaseModel):
    weights: Path


def train(
    train_data: Path = Input(description="zip of images"),
    steps: int = Input(default=1000, ge=10),
    optimizer: str = Input(default="adam", choices=["adam", "sgd"]),
) -> TrainingOutput:
    return TrainingOutput(weights=Path("weights.tar"))


class Predictor(BasePredictor):
    def setup(self, weights: Path | None = None):
        self.weights = weights or os.getenv("WEIGHTS")

    def predict(self, optimizer: str = Input(default="none", choices=["none", "graph"])) -> str:
        return optimizer
