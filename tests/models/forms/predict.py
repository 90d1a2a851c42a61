# SPDX-License-Identifier: Apache-2.0
"""A form with a file, a secret and JSON; a picture, a sound, a film and a paper come out. For the tests of the dashboard."""

import base64
import json
import tempfile
import wave
from pathlib import Path as LocalPath

from cog import BaseModel, BasePredictor, Input, Path, Secret

# Two frames of 16 by 16 pixels.
FILM = base64.b64decode(
    "GkXfo59ChoEBQveBAULygQRC84EIQoKEd2VibUKHgQRChYECGFOAZwEAAAAAAAIBEU2bdLlNu4tTq4QVSalmU6yBbk27i1OrhBZUrmtTrIGTTbuLU6uEH0O2dVOsgdRN"
    "u4xTq4QcU7trU6yCAe/srgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAVSalmoCrXsYMPQkBEiYRDpno9TYCGQ2hyb21lV0GGQ2hy"
    "b21lFlSua7yuuteBAXPFhy0XcheOruGDgQFV7oEBhoVWX1ZQOOCdsIEQuoEQU8CBAVWwkFWxgQFVuYECVbqBDVW7gQEfQ7Z1AQAAAAAAAQ/ngQCg6KG9gQAAALACAJ0B"
    "KhAAEAAABwiFhYiZhIgBJBATrVAfwBBn79j+/6d5P//J7v/J7v/J7v/8nu//OwbEu14AAHWhpqak7oEBpZ8QAgCdASoQABAAAYcIhYWImYSICAIADA1gAP7+TeAAoM+h"
    "r4EAYwCxAQAAEBQAGAAwP/QMAO8A/v61oX/taH1aH1aH8t3/+LCv4sK/iwr/4qIAdaGYppbugQGlkbEBAAYQXAAYABhYL/QACAAA+4EAoM+hr4EBTADxAQAAEAkgAMA5"
    "wEGp/5ZqCHj+/uu8v/lPY4r6P/Kfv/+T3Z40pol/+TgAdaGYppbugQGlkbEBAAYQVAAYABhYL/QACAAA+4FjHFO7a427i7OBALeG94EB8YHU")


class Answer(BaseModel):
    picture: Path
    sound: Path
    film: Path
    paper: Path
    told: str


def sound(path):
    with wave.open(str(path), "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(1)
        made.setframerate(8000)
        made.writeframes(b"\x80" * 4000)


class Predictor(BasePredictor):
    def predict(
        self,
        picture: Path = Input(description="A picture, which is given back"),
        key: Secret = Input(description="A secret"),
        options: dict = Input(description="JSON", default={"kept": 1}),
    ) -> Answer:
        folder = LocalPath(tempfile.mkdtemp())
        (folder / "picture.png").write_bytes(picture.read_bytes())
        sound(folder / "sound.wav")
        (folder / "film.webm").write_bytes(FILM)
        (folder / "paper.pdf").write_bytes(b"%PDF-1.4\n")
        told = f"{picture.stat().st_size} bytes, {len(key.get_secret_value())} characters, {json.dumps(options, sort_keys=True)}"
        return Answer(picture=Path(folder / "picture.png"), sound=Path(folder / "sound.wav"), film=Path(folder / "film.webm"),
                      paper=Path(folder / "paper.pdf"), told=told)
