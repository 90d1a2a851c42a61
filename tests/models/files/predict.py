# SPDX-License-Identifier: Apache-2.0
"""Files in, files out: one, several, or inside of something else. The tests choose the class in cog.yaml."""

import hashlib
import tempfile
import time
from pathlib import Path as LocalPath
from typing import Iterator, List, Optional

from cog import BaseModel, BasePredictor, Input, Path


def made(name, data):
    """A file with that name, in a folder of its own."""
    path = LocalPath(tempfile.mkdtemp()) / name
    path.write_bytes(data)
    return Path(path)


class One(BasePredictor):
    def predict(
        self,
        file: Optional[Path] = Input(description="What is given back", default=None),
        name: str = Input(description="Name of the output", default="out.png"),
        size: int = Input(description="Bytes, when no file is given", default=100),
        nothing: bool = Input(description="Give nothing back", default=False),
    ) -> Path:
        if nothing:
            return None
        return made(name, file.read_bytes() if file else b"x" * size)


class Look(BasePredictor):
    def predict(
        self,
        file: Path = Input(description="A file"),
        more: List[Path] = Input(description="Further files", default=[]),
        text: str = Input(description="Not a file", default=""),
    ) -> str:
        seen = [f"{path.suffix} {path.stat().st_size} {hashlib.md5(path.read_bytes()).hexdigest()}" for path in [file, *more]]
        return "\n".join([*seen, text])


class Many(BasePredictor):
    def predict(self, n: int = Input(description="How many", default=3)) -> List[Path]:
        return [made(f"part{index}.txt", f"part {index}".encode()) for index in range(n)]


class Frames(BasePredictor):
    def predict(self, n: int = Input(description="How many", default=3)) -> Iterator[Path]:
        for index in range(n):
            yield made(f"frame{index}.png", f"frame {index}".encode())


class Slow(BasePredictor):
    def predict(
        self,
        folder: str = Input(description="Where a file named after a frame lets it be made"),
        n: int = Input(description="How many", default=3),
        same: bool = Input(description="All frames look the same", default=False),
        dies: bool = Input(description="Raise instead of giving the last one", default=False),
    ) -> Iterator[Path]:
        for index in range(n):
            while not (LocalPath(folder) / str(index)).exists():
                time.sleep(0.01)
            if dies and index == n - 1:
                raise RuntimeError("no more frames")
            yield made(f"frame{index}.png", f"frame {0 if same else index}".encode())


class Report(BaseModel):
    picture: Path
    title: str


class Mixed(BasePredictor):
    def predict(self, title: str = Input(description="Its title", default="data:,kept")) -> Report:
        return Report(picture=made("p.webp", b"picture"), title=title)
