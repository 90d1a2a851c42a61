# SPDX-License-Identifier: Apache-2.0
"""Says hello, one word at a time: the smallest model that streams."""
import time

from cog import BasePredictor, ConcatenateIterator, Input


class Predictor(BasePredictor):
    def setup(self) -> None:
        self.greeting = "hello there,"

    def predict(
        self,
        text: str = Input(description="Who or what to greet", default="world"),
        delay: float = Input(description="Seconds to wait before each word", default=0.02, ge=0, le=5),
    ) -> ConcatenateIterator[str]:
        words = f"{self.greeting} {text}".split()
        print(f"{len(words)} words")
        for index, word in enumerate(words):
            time.sleep(delay)
            yield word if index == 0 else " " + word
