# SPDX-License-Identifier: Apache-2.0
"""Reads the text in an image: what it says, where it stands, and the image with the places marked."""
import tempfile
from typing import List

from cog import BaseModel, BasePredictor, Input, Path
from PIL import Image, ImageDraw, ImageOps
from rapidocr_onnxruntime import RapidOCR


class Box(BaseModel):
    text: str
    score: float
    corners: List[List[float]]


class Output(BaseModel):
    text: str
    boxes: List[Box]
    marked: Path


class Predictor(BasePredictor):
    def setup(self) -> None:
        self.reader = RapidOCR()

    def predict(
        self,
        image: Path = Input(description="An image with text in it", accept="image/*"),
        min_score: float = Input(description="Leave out what is less certain", default=0.5, ge=0, le=1),
        color: str = Input(description="Color of the marks", choices=["red", "green", "blue"], default="red"),
    ) -> Output:
        with Image.open(image) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        upright = Path(tempfile.mkdtemp()) / "upright.png"
        picture.save(upright)
        found, _ = self.reader(str(upright))
        boxes = [
            Box(text=text, score=round(float(score), 4), corners=[[float(x), float(y)] for x, y in corners])
            for corners, text, score in found or []
            if float(score) >= min_score
        ]
        print(f"{len(boxes)} pieces of text")
        return Output(text="\n".join(box.text for box in boxes), boxes=boxes, marked=mark(picture, boxes, color))


def mark(picture: Image.Image, boxes: List[Box], color: str) -> Path:
    """Draw the boxes into a copy of the image."""
    marked = picture.copy()
    pen = ImageDraw.Draw(marked)
    for box in boxes:
        pen.polygon([tuple(corner) for corner in box.corners], outline=color, width=3)
    result = Path(tempfile.mkdtemp()) / "marked.png"
    marked.save(result)
    return result
