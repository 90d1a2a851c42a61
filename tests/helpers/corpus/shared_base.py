# SPDX-License-Identifier: Apache-2.0
"""The base class of frames.py; a model by itself as well."""
import typing

from cog import BasePredictor, Input, Path


class VideoBase(BasePredictor):
    def predict(
        self,
        video: Path = Input(description="Video", accept="video/*"),
        every: typing.Optional[int] = Input(default=10, ge=1),
        mode: typing.Literal["fast", "good"] = "good",
    ) -> typing.Iterator[Path]:
        yield Path("frame.png")


Predictor = VideoBase
