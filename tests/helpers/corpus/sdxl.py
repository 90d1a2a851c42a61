# SPDX-License-Identifier: Apache-2.0
"""Text to image with a scheduler table, the most common shape of an image model."""
import os
from typing import List, Optional

import torch
from cog import BasePredictor, Input, Path
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

MODEL_CACHE = os.environ.get("MODEL_CACHE", "cache")
SCHEDULERS = {
    "DDIM": DDIMScheduler,
    "DPMSolverMultistep": DPMSolverMultistepScheduler,
    "K_EULER": EulerDiscreteScheduler,
}
MAX_SIDE = 1024


class Predictor(BasePredictor):
    def setup(self, weights: Optional[Path] = None) -> None:
        self.pipe = torch.load(MODEL_CACHE)

    @torch.inference_mode()
    def predict(
        self,
        prompt: str = Input(description="Input prompt", default="An astronaut riding a rainbow unicorn"),
        negative_prompt: str = Input(description="What to leave out", default=""),
        image: Path = Input(description="Start from this image", default=None),
        width: int = Input(default=MAX_SIDE, ge=64, le=MAX_SIDE),
        scheduler: str = Input(choices=SCHEDULERS.keys(), default="K_EULER"),
        num_outputs: int = Input(ge=1, le=4, default=1),
        guidance_scale: float = Input(ge=1, le=50, default=7.5),
        seed: Optional[int] = Input(description="Leave blank for a random one", default=None),
    ) -> List[Path]:
        return [Path(f"out-{index}.png") for index in range(num_outputs)]
