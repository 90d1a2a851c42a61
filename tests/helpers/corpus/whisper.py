# SPDX-License-Identifier: Apache-2.0
"""Speech to text: choices built from two dictionaries, an object with nested parts as output."""
from typing import Any, Optional

import whisper
from cog import BaseModel, BasePredictor, Input, Path

LANGUAGES = {"en": "english", "de": "german"}
TO_LANGUAGE_CODE = {**{name: code for code, name in LANGUAGES.items()}, "castilian": "es"}


class Output(BaseModel):
    detected_language: str
    transcription: str
    segments: Any
    translation: Optional[str]
    srt_file: Optional[Path]


class Predictor(BasePredictor):
    def setup(self):
        self.model = whisper.load_model("base")

    def predict(
        self,
        audio: Path = Input(description="Audio file", accept="audio/*"),
        transcription: str = Input(choices=["plain text", "srt", "vtt"], default="plain text"),
        translate: bool = Input(default=False),
        language: str = Input(
            choices=["auto"] + sorted(LANGUAGES.keys()) + sorted([k.title() for k in TO_LANGUAGE_CODE.keys()]),
            default="auto",
        ),
        temperature: float = Input(default=0, description="temperature to use for sampling"),
        patience: float = Input(default=None, description="no default on purpose"),
    ) -> Output:
        return Output(detected_language="en", transcription="", segments=[], translation=None, srt_file=None)
