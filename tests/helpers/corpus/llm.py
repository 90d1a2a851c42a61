# SPDX-License-Identifier: Apache-2.0
"""A language model that streams, with the defaults in one place."""
from __future__ import annotations

import cog
from cog import BasePredictor, ConcatenateIterator, Input

PROMPT_TEMPLATE = "<s>[INST] {prompt} [/INST]"
DEFAULT_MAX_NEW_TOKENS = 2**9


class Predictor(BasePredictor):
    @cog.streaming
    def predict(
        self,
        prompt: str,
        max_new_tokens: int = Input(
            description=f"How many tokens at most (default {DEFAULT_MAX_NEW_TOKENS}).",
            default=DEFAULT_MAX_NEW_TOKENS, ge=1, le=DEFAULT_MAX_NEW_TOKENS * 8),
        temperature: float = Input(default=0.7, ge=0.0, le=5.0),
        stop_sequences: list[str] | None = None,
        prompt_template: str = Input(default=PROMPT_TEMPLATE),
        seed: int | None = Input(default=None),
    ) -> ConcatenateIterator[str]:
        for word in prompt.split():
            yield word
