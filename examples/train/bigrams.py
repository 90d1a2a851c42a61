# SPDX-License-Identifier: Apache-2.0
"""The whole model: which word follows which, and how often."""
import json
import random
from collections import Counter, defaultdict
from typing import Dict, List


def count(words: List[str], following: Dict[str, Counter]) -> None:
    """Add the pairs of a text to the counts."""
    for word, next_word in zip(words, words[1:]):
        following[word][next_word] += 1


def empty() -> Dict[str, Counter]:
    return defaultdict(Counter)


def save(following: Dict[str, Counter], path: str) -> None:
    with open(path, "w", encoding="utf-8") as out:
        json.dump(following, out)


def load(text: str) -> Dict[str, Counter]:
    return {word: Counter(counts) for word, counts in json.loads(text).items()}


def continue_text(following: Dict[str, Counter], start: str, words: int, seed: int) -> List[str]:
    """Walk from word to word, each as likely as it was in the text."""
    chooser = random.Random(seed)
    written = [start]
    while len(written) < words and following.get(written[-1]):
        choices = following[written[-1]]
        written.append(chooser.choices(list(choices), weights=list(choices.values()))[0])
    return written
