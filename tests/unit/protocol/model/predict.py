# SPDX-License-Identifier: Apache-2.0
"""A model for tests: its input says what to do."""

import os
import sys
import time

from cog import BasePredictor, ConcatenateIterator, Input


class Predictor(BasePredictor):
    def setup(self) -> None:
        print("loading")
        time.sleep(0.2)
        if os.environ.get("TEST_SETUP") == "fails":
            raise ValueError("no weights")

    def predict(
        self, mode: str = Input(default="words"), n: int = Input(default=3), seconds: float = Input(default=0.0)
    ) -> ConcatenateIterator[str]:
        if mode == "crash":
            print("about to crash")
            time.sleep(0.2)
            os._exit(7)
        if mode == "fail":
            raise ValueError("boom")
        if mode == "big":
            yield "y" * n
            return
        for k in range(n):
            print("log", k)
            print("err", k, file=sys.stderr)
            self.record_metric("tokens", 1, mode="incr")
            yield f"tok{k} "
            end = time.time() + seconds
            while time.time() < end:
                time.sleep(0.005)
