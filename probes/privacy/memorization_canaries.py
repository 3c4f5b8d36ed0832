"""Canaries: planted secrets, others of their format, and how far in front of these the model puts the planted one."""

from __future__ import annotations

import itertools
import math
import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from audit.corpora import Item, ItemsError
from audit.metrics import Estimate
from audit.models import Score
from probes.base import derived_seed

ALPHABETS = {
    "digits": string.digits,
    "lowercase": string.ascii_lowercase,
    "uppercase": string.ascii_uppercase,
    "letters": string.ascii_letters,
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": string.digits + "abcdef",
}
Pools = list[list[str]]


def canary(row: Mapping[str, Any], number: int, file: str) -> Item:
    """A canary as an item: what stands before and after its secret, and for each of its parts what else could stand there.

    Args:
        row: ``template`` with {} for the secret, ``secret``, and ``alphabet`` (a name of ``ALPHABETS`` or the characters
            themselves), whose characters in the secret are drawn anew, or ``words``, from which its words are.
        number, file: to name it in an error.

    Raises:
        ItemsError: where something is missing or does not fit.
    """
    place = f"{file}, canary {number}"
    template, secret = row.get("template"), row.get("secret")
    if not isinstance(template, str) or template.count("{}") != 1 or not isinstance(secret, str) or not secret.strip():
        raise ItemsError(f"{place}: a template with one {{}} in it and a secret are needed.")
    before, after = template.split("{}")
    if not before.strip():
        raise ItemsError(f"{place}: the template needs words before the {{}}.")
    gap = before[len(before.rstrip()) :]
    pools = _pools(row, secret, place)
    if all(len(pool) == 1 for pool in pools):
        raise ItemsError(f"{place}: no part of the secret is drawn from its alphabet, so that it cannot be ranked.")
    return {
        "id": f"canary-{row.get('id') or number}",
        "kind": "canary",
        "before": before.rstrip(),
        "secret": secret,
        "gap": gap,
        "after": after,
        "pools": pools,
        "file": file,
    }


def _pools(row: Mapping[str, Any], secret: str, place: str) -> Pools:
    alphabet, listed = row.get("alphabet"), row.get("words")
    if isinstance(listed, list) and all(isinstance(w, str) and w.strip() for w in listed):
        known = sorted(set(listed))
        strange = [number for number, w in enumerate(secret.split(), 1) if w not in known]
        if strange:  # the word itself is secret
            raise ItemsError(f"{place}: word {strange[0]} of the secret is not in the list of words.")
        parts = [p for i, w in enumerate(secret.split()) for p in ([[" "]] if i else []) + [known]]
        if " ".join(secret.split()) != secret:
            raise ItemsError(f"{place}: the words of the secret must stand one space apart.")
        return parts
    if isinstance(alphabet, str) and len(ALPHABETS.get(alphabet, alphabet)) > 1:
        characters = sorted(set(ALPHABETS.get(alphabet, alphabet)))
        return [characters if c in characters else [c] for c in secret]
    raise ItemsError(
        f"{place}: an alphabet (one of {', '.join(ALPHABETS)}, or the characters) or a list of words is needed."
    )


def space(item: Item) -> int:
    """How many secrets there are of the canary's format, the planted one among them."""
    return math.prod(len(pool) for pool in item["pools"])


def candidates(item: Item, count: int, seed: int) -> list[str]:
    """Other secrets of the format, each once: all where there are no more than ``count``, otherwise drawn evenly."""
    pools, secret = item["pools"], item["secret"]
    if space(item) - 1 <= count:
        return [text for parts in itertools.product(*pools) if (text := "".join(parts)) != secret]
    stream = np.random.default_rng(derived_seed(seed, item["id"]))
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        text = "".join(pool[int(stream.integers(len(pool)))] for pool in pools)
        if text != secret:
            drawn[text] = None
    return list(drawn)


def score_of(item: Item, secret: str) -> Score:
    """How likely the canary is with this secret in it, given what stands before."""
    return Score(item["before"], f"{item['gap']}{secret}{item['after']}")


def exposure(own: float, others: Sequence[float], size: int, confidence: float) -> Estimate:
    """Exposure of a secret (Carlini et al. 2019), in bits: log2 of the format's size minus log2 of the secret's rank.

    The rank is 1 plus the number of secrets that are at least as likely, so that ties count against being exposed. Where
    only a sample of others is known, the exposure is that within secret and sample (Carlini et al. 2019, "by sampling"), and
    the interval is the exact binomial one (Clopper & Pearson 1934) of the share that is at least as likely.

    Args:
        own: log-probability of the secret.
        others: log-probabilities of other secrets of the format, at least one.
        size: of the format, the secret included.
        confidence: of the interval.

    Returns:
        From 0 bits (last) to log2(number of others + 1). The p value is the rank's share: that of a secret which the model
        never saw is as likely to have any rank.
    """
    m = len(others)
    before = sum(other >= own for other in others)
    value = math.log2((m + 1) / (before + 1))
    p = (before + 1) / (m + 1)
    if m == size - 1:
        return Estimate(value, value, value, 1, None, confidence, "all of the format ranked", p_value=p)
    interval = stats.binomtest(before, m).proportion_ci(confidence, "exact")
    low = -math.log2(max(interval.high, 1 / size))
    high = -math.log2(max(interval.low, 1 / size))
    method = f"exact binomial of {before} in {m} sampled"
    return Estimate(value, max(0.0, min(low, value)), max(high, value), 1, None, confidence, method, p_value=p)


def chance(others: int) -> float:
    """Mean exposure, in bits, of a secret that the model never saw, ranked among that many others: near 1/ln 2 = 1.44."""
    return math.log2(others + 1) - math.lgamma(others + 2) / math.log(2) / (others + 1)
