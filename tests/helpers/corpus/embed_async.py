# SPDX-License-Identifier: Apache-2.0
"""Vectors of many texts at once."""
import asyncio
from typing import List, TypedDict

from cog import BasePredictor, Input


class Embedding(TypedDict):
    text: str
    vector: List[float]


class Predictor(BasePredictor):
    async def predict(self, texts: List[str] = Input(description="One or more texts"),
                      normalize: bool = Input(default=True)) -> List[Embedding]:
        await asyncio.sleep(0)
        return []
