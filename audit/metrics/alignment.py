"""Whether attention from an answer to a prompt links the words that translate each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.metrics._arrays import Seed, as_values, check_positive

Link = tuple[int, ...]
"""Position in the answer and position in the prompt; of several sentences with the sentence's number before."""


class AlignmentError(NamedTuple):
    """Alignment error rate, and its two sides."""

    error: float
    precision: float | None
    recall: float | None


class AlignmentChance(NamedTuple):
    """The error of the same links shuffled, in the mean, and how often they do as well as the links unshuffled."""

    error: float
    p_value: float


def argmax_links(weights: npt.ArrayLike) -> set[Link]:
    """A link from each token of an answer to the token of the prompt with most weight.

    Args:
        weights: ``[targets, sources]``, 0 or above: of one head, or a mean over heads.

    Returns:
        Pairs of target and source. A target whose largest weight is not one token's alone has none.

    Raises:
        ValueError: NaN, infinite or negative weights, or not of two dimensions.
    """
    values = as_values("weights", weights, ndim=2)
    if (values < 0).any():
        raise ValueError("weights holds negative weights")
    if not values.size:
        return set()
    most = values.max(axis=1, keepdims=True)
    alone = (values == most).sum(axis=1) == 1
    return {(int(t), int(values[t].argmax())) for t in np.flatnonzero(alone)}


def alignment_error_rate(
    links: Iterable[Link], sure: Iterable[Link], possible: Iterable[Link] = ()
) -> AlignmentError | None:
    """Alignment error rate (Och & Ney 2003, doi:10.1162/089120103321337421).

    With links A, sure links S and possible links P, which hold the sure ones:
    AER = 1 - (|A and S| + |A and P|) / (|A| + |S|), precision = |A and P| / |A|, recall = |A and S| / |S|.

    Args:
        links: what was found. Of a corpus the links of all sentences, told apart by their number: the rate is not a mean over
            sentences.
        sure: links that must be found.
        possible: links that may be found; the sure ones are added.

    Returns:
        The error from 0 (all sure links found and none but possible ones) to 1 (none right); precision and recall from 0
        to 1, None where there are no links or no sure ones. None where there are neither.

    Raises:
        ValueError: links of different lengths, or of fewer than two positions.
    """
    found, must, may = set(links), set(sure), set(possible)
    may |= must
    if any(len(link) < 2 for link in found | may) or len({len(link) for link in found | may}) > 1:
        raise ValueError("links must be pairs of positions, all with a sentence's number before them or none")
    if not found and not must:
        return None
    error = 1 - (len(found & must) + len(found & may)) / (len(found) + len(must))
    precision = len(found & may) / len(found) if found else None
    return AlignmentError(error, precision, len(found & must) / len(must) if must else None)


def alignment_chance(
    links: Iterable[Link],
    sure: Iterable[Link],
    possible: Iterable[Link] = (),
    permutations: int = 1000,
    seed: Seed = 0,
) -> AlignmentChance | None:
    """What the alignment error rate is when the sources of the links are shuffled among the targets of each sentence.

    How many links there are, and how often each source is linked, stays as it is: a model that looks at the end of the
    prompt whatever it translates is no better than this.

    Args:
        links, sure, possible: as for ``alignment_error_rate``.
        permutations: how many shufflings, at least 1.
        seed: an int, or a numpy Generator (which it advances).

    Returns:
        The mean error from 0 to 1, and p = (1 + shufflings with no larger error) / (1 + shufflings). None without links.

    Raises:
        ValueError: as for ``alignment_error_rate``; ``permutations`` below 1.
    """
    check_positive("permutations", permutations)
    ordered = sorted(set(links))
    must, may = set(sure), set(possible)
    found = alignment_error_rate(ordered, must, may)
    if found is None or not ordered:
        return None
    may |= must
    rng = np.random.default_rng(seed)
    right = np.zeros(permutations)
    for sentence in sorted({link[:-2] for link in ordered}):
        own = [link for link in ordered if link[:-2] == sentence]
        # The credit of each target for each source: 2 for a sure link, 1 for a possible one.
        credit = np.array([[_credit((*a[:-1], b[-1]), must, may) for b in own] for a in own])
        order = rng.permuted(np.tile(np.arange(len(own)), (permutations, 1)), axis=1)
        right += credit[np.arange(len(own)), order].sum(axis=1)
    errors = 1 - right / (len(ordered) + len(must))
    as_good = int((errors <= found.error + 1e-12).sum())
    return AlignmentChance(float(errors.mean()), (1 + as_good) / (1 + permutations))


def _credit(link: Link, sure: set[Link], possible: set[Link]) -> int:
    return (link in sure) + (link in possible)
