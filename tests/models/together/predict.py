# SPDX-License-Identifier: Apache-2.0
"""Several at once in one instance: a prediction can wait for others that are in there with it."""

import asyncio

from cog import BasePredictor, Input


class Predictor(BasePredictor):
    now = most = 0

    async def predict(
        self,
        text: str = Input(description="What to say", default="hello"),
        others: int = Input(description="How many more there must be at once before it ends", default=0),
    ) -> str:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            while self.most <= others:
                await asyncio.sleep(0.01)
        finally:
            self.now -= 1
        return text
