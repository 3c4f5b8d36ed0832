"""Two files of invented texts that are drawn alike, as a user would put them into the data folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

EACH = 310
_SYLLABLES = ("ba", "lo", "mir", "ten", "su", "vak", "ri", "don", "pel", "ka")


def invented(count: int, seed: int, words: int = 12) -> list[str]:
    """Texts of invented words, no two alike."""
    stream = np.random.default_rng(seed)
    vocabulary = [a + b for a in _SYLLABLES for b in _SYLLABLES]
    return [" ".join(stream.choice(vocabulary, words)).capitalize() + "." for _ in range(count)]


def write(folder: Path) -> None:
    """Members and non-members, drawn from one source."""
    place = folder / "membership_inference"
    place.mkdir(parents=True, exist_ok=True)
    texts = invented(2 * EACH, 0)
    (place / "members.txt").write_text("\n\n".join(texts[:EACH]), encoding="utf-8")
    (place / "non_members.txt").write_text("\n\n".join(texts[EACH:]), encoding="utf-8")
