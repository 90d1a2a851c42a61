# SPDX-License-Identifier: Apache-2.0
"""Like predict.py, with several predictions at a time."""

import asyncio

from cog import BasePredictor, Input


class Predictor(BasePredictor):
    async def predict(
        self, mode: str = Input(default="words"), n: int = Input(default=3), seconds: float = Input(default=0.0)
    ) -> str:
        print("begin", n)
        await asyncio.sleep(seconds)
        return f"{mode} {n}"
