# SPDX-License-Identifier: Apache-2.0
"""References and hypotheses with errors of every kind, drawn by a seed."""

import random

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def random_texts(count, seed=0):
    """Return references of 1 to 12 words by utterance id."""
    rng = random.Random(seed)
    return {f"u{i:04d}": " ".join(rng.choices(WORDS, k=rng.randint(1, 12))) for i in range(count)}


def corrupted(texts, amount, seed):
    """Replace, leave out and insert words; ``amount`` of 1 leaves few as they were."""
    rng = random.Random(seed)
    heard = {}
    for key, text in texts.items():
        words = []
        for word in text.split():
            kind = rng.random() / amount
            if rng.random() < 0.2 * amount:
                words.append(rng.choice(WORDS))
            if kind < 0.5:
                words.append(rng.choice(WORDS))
            elif kind > 0.8:
                words.append(word)
        heard[key] = " ".join(words)
    return heard
