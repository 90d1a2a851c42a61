# SPDX-License-Identifier: Apache-2.0
"""Frames one after the other, from a base class that several models share."""
import typing as t

from cog import Input, Path
from shared_base import VideoBase


class Predictor(VideoBase):
    pass


class Unused(VideoBase):
    def predict(self, other: int) -> int:
        return other
