# SPDX-License-Identifier: Apache-2.0
"""No class at all."""
from cog import Input


def predict(a: int = Input(default=1, ge=-(2**31)), b: int = 2) -> int:
    return a + b
