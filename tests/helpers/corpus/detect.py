# SPDX-License-Identifier: Apache-2.0
"""Boxes as pydantic models, an enumeration for the model size."""
from enum import Enum
from typing import List, Optional, Tuple

from cog import BasePredictor, Input, Path
from pydantic import BaseModel, Field


class Size(str, Enum):
    NANO = "nano"
    SMALL = "small"


class Box(BaseModel):
    label: str = Field(..., description="class")
    score: float = Field(ge=0, le=1)
    corners: List[float] = Field(default_factory=list)


class Detections(BaseModel):
    boxes: List[Box]
    marked: Optional[Path] = None


class Predictor(BasePredictor):
    def predict(
        self,
        image: Path,
        size: str = Input(default=Size.NANO.value, choices=[s.value for s in Size]),
        classes: Optional[str] = Input(default=None, regex=r"^[a-z, ]*$", max_length=200),
        threshold: float = Input(default=25 / 100, ge=0, le=1),
    ) -> Detections:
        return Detections(boxes=[])
