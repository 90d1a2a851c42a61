# SPDX-License-Identifier: Apache-2.0
"""Image in, image out: a few classic filters, with choices and ranges."""
import tempfile

from cog import BasePredictor, Input, Path
from PIL import Image, ImageFilter, ImageOps

FILTERS = {
    "grayscale": ImageOps.grayscale,
    "invert": ImageOps.invert,
    "blur": lambda image: image.filter(ImageFilter.GaussianBlur(4)),
    "edges": lambda image: image.filter(ImageFilter.FIND_EDGES),
    "posterize": lambda image: ImageOps.posterize(image, 3),
}
FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}
MAX_WIDTH = 2048


class Predictor(BasePredictor):
    def predict(
        self,
        image: Path = Input(description="The image to change", accept="image/*"),
        filter: str = Input(description="What to do to it", choices=list(FILTERS), default="grayscale"),
        strength: float = Input(description="0 keeps the image, 1 is the whole filter", ge=0, le=1, default=1),
        width: int = Input(description=f"Scale to this width, up to {MAX_WIDTH}", ge=16, le=MAX_WIDTH, default=512),
        output_format: str = Input(description="Format of the result", choices=sorted(FORMATS), default="png"),
    ) -> Path:
        with Image.open(image) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        picture = picture.resize((width, max(1, round(picture.height * width / picture.width))))
        print(f"{filter} on {picture.width}x{picture.height}")
        changed = FILTERS[filter](picture).convert("RGB")
        result = Path(tempfile.mkdtemp()) / f"output.{output_format}"
        Image.blend(picture, changed, strength).save(result, FORMATS[output_format])
        return result
