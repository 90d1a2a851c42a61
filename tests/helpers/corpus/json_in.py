# SPDX-License-Identifier: Apache-2.0
"""Unions and opaque values, as models that wrap other servers have them."""
from typing import Annotated, Any, List, Optional, Union

from cog import BaseRunner, Input, Opaque


class Runner(BaseRunner):
    def run(
        self,
        prompt: Union[str, List[str]] = Input(description="one or many"),
        temperature: Union[float, str, None] = None,
        extra: Annotated[Any, Opaque] = Input(default={}),
        stop: Optional[List[str]] = Input(default=["###"]),
        logprobs: bool = Input(default=False, deprecated=True),
    ) -> Any:
        return {"prompt": prompt}
