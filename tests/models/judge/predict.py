# SPDX-License-Identifier: Apache-2.0
"""An answer with a number, a text and a file. The tests make another version of it, which answers otherwise where `how` says so."""

import os
import tempfile
import time
from pathlib import Path as LocalPath
from typing import Optional

from cog import BaseModel, BasePredictor, Input, Path, Secret

NEW = False


class Answer(BaseModel):
    score: float
    label: str
    picture: Path


class Predictor(BasePredictor):
    def predict(
        self,
        how: str = Input(description="How the new version differs", default="same"),
        score: float = Input(description="A number", default=2.5),
        label: str = Input(description="A text", default="cat"),
        file: Optional[Path] = Input(description="The picture", default=None),
        gate: str = Input(description="A file that lets the new version go on", default=""),
        seen: str = Input(description="A file to which each version adds what it was given", default=""),
        key: Optional[Secret] = Input(description="A secret", default=None),
        limit: int = Input(description="A number", default=10, le=100),
    ) -> Answer:
        picture = file.read_bytes() if file else b"picture"
        if seen:
            os.umask(0)
            with open(seen, "a") as opened:
                opened.write(f"{NEW} {how} {limit} {len(picture)} {key.get_secret_value() if key else ''}\n")
        if NEW:
            while gate and not os.path.exists(gate):
                time.sleep(0.01)
            if how == "drift":
                score += 0.5
            elif how == "noise":
                score *= 1.0000000001
            elif how == "relabel":
                label += "!"
            elif how == "repaint":
                picture += b"!"
            elif how == "fail":
                raise ValueError("not this one")
            elif how == "die":
                os._exit(9)
        path = LocalPath(tempfile.mkdtemp()) / "picture.png"
        path.write_bytes(picture)
        return Answer(score=score, label=label, picture=Path(path))
