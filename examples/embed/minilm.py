# SPDX-License-Identifier: Apache-2.0
"""all-MiniLM-L6-v2 in NumPy: six BERT layers, the mean over the words, length one."""
import json
import math
import os
from typing import Dict, List

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer


class MiniLM:
    """The encoder. It keeps no state between calls, so several threads may use it at once."""

    def __init__(self, folder: str) -> None:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as config:
            settings = json.load(config)
        self.layers = settings["num_hidden_layers"]
        self.heads = settings["num_attention_heads"]
        self.epsilon = settings["layer_norm_eps"]
        self.weights = load_file(os.path.join(folder, "model.safetensors"))
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.tokenizer.enable_truncation(256)
        self.tokenizer.enable_padding()

    def encode(self, texts: List[str]) -> np.ndarray:
        """One vector of length one for each text."""
        encoded = self.tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in encoded])
        mask = np.array([one.attention_mask for one in encoded], dtype=np.float32)
        hidden = self._embed(ids)
        for layer in range(self.layers):
            hidden = self._layer(f"encoder.layer.{layer}.", hidden, mask)
        mean = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def _embed(self, ids: np.ndarray) -> np.ndarray:
        words = self.weights["embeddings.word_embeddings.weight"][ids]
        places = self.weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        kind = self.weights["embeddings.token_type_embeddings.weight"][0]
        return self._normalize("embeddings.LayerNorm.", words + places + kind)

    def _layer(self, name: str, hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
        attended = self._linear(name + "attention.output.dense.", self._attend(name + "attention.self.", hidden, mask))
        hidden = self._normalize(name + "attention.output.LayerNorm.", hidden + attended)
        inner = gelu(self._linear(name + "intermediate.dense.", hidden))
        return self._normalize(name + "output.LayerNorm.", hidden + self._linear(name + "output.dense.", inner))

    def _attend(self, name: str, hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
        batch, length, width = hidden.shape
        parts: Dict[str, np.ndarray] = {
            part: self._linear(f"{name}{part}.", hidden).reshape(batch, length, self.heads, -1).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        }
        scores = parts["query"] @ parts["key"].transpose(0, 1, 3, 2) / math.sqrt(width / self.heads)
        scores = scores + (mask[:, None, None, :] - 1) * 1e9
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores = scores / scores.sum(axis=-1, keepdims=True)
        return (scores @ parts["value"]).transpose(0, 2, 1, 3).reshape(batch, length, width)

    def _linear(self, name: str, values: np.ndarray) -> np.ndarray:
        # As one flat matrix: NumPy is many times slower on a batch of small ones.
        flat = values.reshape(-1, values.shape[-1]) @ self.weights[name + "weight"].T + self.weights[name + "bias"]
        return flat.reshape(*values.shape[:-1], -1)

    def _normalize(self, name: str, values: np.ndarray) -> np.ndarray:
        centered = values - values.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centered * centered).mean(axis=-1, keepdims=True) + self.epsilon)
        return centered / spread * self.weights[name + "weight"] + self.weights[name + "bias"]


def gelu(values: np.ndarray) -> np.ndarray:
    """The usual approximation by tanh: equal to the exact one in the first three decimals."""
    return 0.5 * values * (1 + np.tanh(0.7978845608 * (values + 0.044715 * values * values * values)))
