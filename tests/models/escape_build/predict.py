# SPDX-License-Identifier: Apache-2.0
from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self) -> str:
        return "never built"
