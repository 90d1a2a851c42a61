# SPDX-License-Identifier: Apache-2.0
"""Takes as long as `pace.txt` beside it says: seconds to boot, seconds to serve; a third word `broken` fails its setup."""

import time
from pathlib import Path

from cog import BasePredictor, Input

BOOT, SERVE, *HOW = (Path(__file__).resolve().parent / "pace.txt").read_text().split()
BEGAN = time.monotonic()


class Predictor(BasePredictor):
    def setup(self) -> None:
        time.sleep(max(BEGAN + float(BOOT) - time.monotonic(), 0))
        if HOW == ["broken"]:
            raise RuntimeError("the weights are broken")

    def predict(self, text: str = Input(description="What to say", default="hello")) -> str:
        time.sleep(float(SERVE))
        return text
