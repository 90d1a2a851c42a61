# SPDX-License-Identifier: Apache-2.0
"""An image model with a class of constants and choices of numbers."""
from cog import BasePredictor, File, Input, Path


class Limits:
    SCALES = [2, 4]
    TILE = 64 * 4


class Predictor(BasePredictor):
    FORMATS = ("png", "jpg")

    def predict(
        self,
        image: File,
        scale: int = Input(choices=Limits.SCALES, default=4),
        tile: int = Input(default=Limits.TILE, ge=0, le=Limits.TILE * 2),
        output_format: str = Input(choices=list(FORMATS), default=FORMATS[0]),
        face_enhance: bool = True,
    ) -> Path:
        return Path("out.png")
