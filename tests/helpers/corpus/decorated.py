# SPDX-License-Identifier: Apache-2.0
"""Decorators of other libraries, and inputs shared by helper functions."""
import functools

import torch
from cog import BasePredictor, Input, Path


def timed(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner


def percent(default=50, **more):
    return Input(default=default, ge=0, le=100, **more)


class Shared:
    seed = Input(default=0, description="Seed")


class Predictor(BasePredictor):
    @timed
    @torch.no_grad()
    def predict(self, image: Path, strength: int = percent(80, description="How much"), quality: int = percent(),
                seed: int = Shared.seed) -> Path:
        return image
