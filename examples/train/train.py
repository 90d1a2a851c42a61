# SPDX-License-Identifier: Apache-2.0
"""Learns from a text which word follows which, and writes the weights to a file."""
import tempfile
import time

import bigrams
from cog import BaseModel, Input, Path


class TrainingOutput(BaseModel):
    weights: Path


def train(
    text: str = Input(description="What to learn from", default="the cat sat on the mat and the dog sat on the cat"),
    steps: int = Input(description="How many passes", default=10, ge=1, le=1000),
    step_seconds: float = Input(description="How long a pass takes at least", default=0.05, ge=0, le=10),
) -> TrainingOutput:
    words = text.lower().split()
    following = bigrams.empty()
    for step in range(1, steps + 1):
        bigrams.count(words, following)
        time.sleep(step_seconds)
        print(f"step {step}/{steps}: {sum(len(counts) for counts in following.values())} pairs known")
    weights = Path(tempfile.mkdtemp()) / "weights.json"
    bigrams.save(following, str(weights))
    return TrainingOutput(weights=weights)
