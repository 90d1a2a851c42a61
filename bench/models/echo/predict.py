# SPDX-License-Identifier: Apache-2.0
"""Answers with its input: what is measured is the way there and back."""

from cog import BasePredictor, Input


class Predictor(BasePredictor):
    async def predict(
        self,
        text: str = Input(description="What comes back", default=""),
        clock: bool = Input(description="Fake instances answer with the moment at which the run began", default=False),
    ) -> str:
        return text
