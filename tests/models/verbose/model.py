# SPDX-License-Identifier: Apache-2.0
"""A training that says much beside its weights."""
import os

from cog import BaseModel, BasePredictor, Input


class TrainingOutput(BaseModel):
    notes: str
    weights: str


def train(size: int = Input(description="How long the notes are", default=10)) -> TrainingOutput:
    return TrainingOutput(notes="n" * size, weights="https://weights.example/1")


class Predictor(BasePredictor):
    def setup(self) -> None:
        self.weights = os.environ.get("COG_WEIGHTS", "none")

    def predict(self, text: str = Input(default="")) -> str:
        return text
