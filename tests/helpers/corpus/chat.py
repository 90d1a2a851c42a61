# SPDX-License-Identifier: Apache-2.0
"""Messages in as a list of objects, several requests at a time."""
from typing import Any, Dict, List

from cog import AsyncConcatenateIterator, BaseRunner, Input, Secret, concurrent


class Runner(BaseRunner):
    async def setup(self) -> None:
        self.ready = True

    @concurrent(max=8)
    async def run(
        self,
        messages: List[Dict[str, Any]] = Input(default=[{"role": "user", "content": "hello"}]),
        api_key: Secret = Input(default=None, description="Falls back to ours"),
        tools: List[dict] = Input(default=[]),
    ) -> AsyncConcatenateIterator[str]:
        yield "hello"
