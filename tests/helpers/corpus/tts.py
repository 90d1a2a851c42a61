# SPDX-License-Identifier: Apache-2.0
"""Voices listed from a table; a random default that only the model can give."""
import random

from cog import BasePredictor, Input, Path

VOICES = [{"id": "ana", "language": "es"}, {"id": "bob", "language": "en"}]
VOICE_IDS = [voice["id"] for voice in VOICES]
SPEAKER_HELP = "One of: " + ", ".join(VOICE_IDS)


class Predictor(BasePredictor):
    def predict(
        self,
        text: str = Input(description="What to say", max_length=5000),
        speaker: str = Input(choices=VOICE_IDS, default=VOICE_IDS[0], description=SPEAKER_HELP),
        speed: float = Input(default=1, ge=0.5, le=2),
        seed: int = Input(default=random.randint(0, 99)),
    ) -> Path:
        return Path("speech.wav")
