# SPDX-License-Identifier: Apache-2.0
"""Does what its input says: the model that the API tests run. A file `setup.txt` beside it makes its setup fail."""

import os
import sys
import time
from pathlib import Path
from typing import List, Optional

from cog import BasePredictor, ConcatenateIterator, Input

HERE = Path(__file__).resolve().parent
HOW = (HERE / "setup.txt").read_text().strip() if (HERE / "setup.txt").exists() else ""


def until_there(name):
    """Wait for a file that the test makes; it is the test that sets the limit."""
    while not os.path.exists(name):
        time.sleep(0.01)


class Predictor(BasePredictor):
    def setup(self) -> None:
        print("loading the weights")
        if HOW == "raise":
            raise RuntimeError("the weights are broken")
        if HOW == "exit":
            sys.exit(3)
        if HOW == "hang":
            until_there("/there/is/no/such/file")
        if HOW == "wait":
            until_there("/tmp/setup")

    def predict(
        self,
        mode: str = Input(description="What to do", default="echo",
                          choices=["echo", "words", "wait", "stubborn", "raise", "crash", "exit", "print", "count"]),
        text: str = Input(description="What to say", default="hello"),
        file: str = Input(description="A file that ends a wait, or that each start adds a line to", default=""),
        steps: int = Input(description="How often", default=3, ge=1, le=100000),
        ratio: float = Input(description="A number", default=0.5, ge=0, le=1),
        flag: bool = Input(description="Yes or no", default=False),
        names: List[str] = Input(description="A list", default=[]),
        code: Optional[str] = Input(description="Lower-case letters", default=None, regex="^[a-z]+$", max_length=5),
    ) -> ConcatenateIterator[str]:
        print(f"mode {mode}")
        if mode == "words":
            for index in range(steps):
                print(f"word {index}")
                yield f"{text}{index} "
        elif mode == "wait":
            yield "begin "
            print("waiting")
            until_there(file)
            yield "end"
        elif mode == "stubborn":
            while True:
                try:
                    until_there(file)
                    break
                except BaseException as error:
                    print(f"ignored {type(error).__name__}")
            yield "never canceled"
        elif mode == "raise":
            yield "before "
            raise ValueError(f"broken on {text}")
        elif mode in ("crash", "exit"):
            yield "before "
            until_there(file)
            if mode == "exit":
                os._exit(7)
            os.kill(os.getpid(), 9)
        elif mode == "print":
            for index in range(steps):
                print(f"line {index} " + "x" * 100)
            yield "printed"
        elif mode == "count":
            os.umask(0)  # instances that are users of their own write to one file
            with open(file, "a") as opened:
                opened.write(text + "\n")
            yield text
        else:
            yield text
