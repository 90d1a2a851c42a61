# SPDX-License-Identifier: Apache-2.0
"""A model that takes a conversation as JSON, and answers in one piece."""

import json

from cog import BasePredictor, Input


class Predictor(BasePredictor):
    def predict(self, messages: str = Input(description="A list of messages as JSON")) -> str:
        return " / ".join(f"{one['role']} {one['content']}" for one in json.loads(messages))
