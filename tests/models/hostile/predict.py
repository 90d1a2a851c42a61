# SPDX-License-Identifier: Apache-2.0
"""What the server believes that it runs. In its place the package `cog` beside this file runs, which `python -m` finds first."""

from cog import BasePredictor, Input


class Predictor(BasePredictor):
    def predict(self, attempt: str = Input(description="What to answer"),
                at: str = Input(description="To which request", default="create")) -> str:
        return attempt + at
