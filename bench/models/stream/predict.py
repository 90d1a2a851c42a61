# SPDX-License-Identifier: Apache-2.0
"""An output in pieces, so that it has a stream."""

from cog import BasePredictor, ConcatenateIterator, Input


class Predictor(BasePredictor):
    def predict(self, text: str = Input(description="What comes back, letter by letter", default="")) -> ConcatenateIterator[str]:
        yield from text
