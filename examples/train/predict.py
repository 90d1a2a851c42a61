# SPDX-License-Identifier: Apache-2.0
"""Continues a text with the weights that the training wrote, or with a few built-in words."""
import urllib.request
from typing import Optional

import bigrams
from cog import BasePredictor, Input

BUILT_IN = "hello world and hello again"


class Predictor(BasePredictor):
    def setup(self, weights: Optional[str] = None) -> None:
        """Load the weights that COG_WEIGHTS names: a URL, a data URI or a file."""
        self.following = bigrams.empty()
        if not weights:
            print("no weights: using the built-in words")
            bigrams.count(BUILT_IN.split(), self.following)
            return
        source = str(weights)
        if ":" not in source:
            source = "file://" + source
        with urllib.request.urlopen(source) as opened:
            self.following = bigrams.load(opened.read().decode("utf-8"))
        print(f"{len(self.following)} words known")

    def predict(
        self,
        start: str = Input(description="The first word", default="the"),
        words: int = Input(description="How many words to write at most", default=8, ge=1, le=200),
        seed: int = Input(description="The same seed gives the same text", default=0),
    ) -> str:
        return " ".join(bigrams.continue_text(self.following, start.lower(), words, seed))
