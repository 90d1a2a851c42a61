# SPDX-License-Identifier: Apache-2.0
"""Takes a large file or text, gives back as large a text."""

from typing import Optional

from cog import BasePredictor, Input, Path


class Predictor(BasePredictor):
    def predict(
        self,
        file: Optional[Path] = Input(description="Any file", default=None),
        text: str = Input(description="Any text", default=""),
        size: int = Input(description="Bytes of the output", default=2),
    ) -> str:
        read = len(file.read_bytes()) if file else len(text)
        return f"{read} ".ljust(size, "x")
