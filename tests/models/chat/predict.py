# SPDX-License-Identifier: Apache-2.0
"""A language model as they are pushed to Cog: a prompt in, words out. It says what it was given."""

import time
from pathlib import Path
from typing import List

from cog import BasePredictor, ConcatenateIterator, Input


class Predictor(BasePredictor):
    def predict(
        self,
        prompt: str = Input(description="What to answer"),
        system_prompt: str = Input(description="How to answer", default=""),
        max_new_tokens: int = Input(description="Most words", default=100, ge=1, le=1000),
        temperature: float = Input(description="Warmth", default=0.5, ge=0, le=2),
        stop_sequences: List[str] = Input(description="Words that end it", default=[]),
        gate: str = Input(description="A file that each word but the first waits for", default=""),
        image: str = Input(description="What the prompt is about", default=""),
        fails: bool = Input(description="End with an error", default=False),
    ) -> ConcatenateIterator[str]:
        words = f"[{system_prompt}] {prompt}{image} ({temperature})".split(" ")
        said = 0
        for index, word in enumerate(words[:max_new_tokens]):
            if word in stop_sequences:
                break
            while gate and index and not Path(gate).exists():
                time.sleep(0.01)
            yield word + " "
            said += 1
        if fails:
            raise RuntimeError("no more words")
        self.record_metric("input_token_count", len(words))
        self.record_metric("output_token_count", said)
