"""What doubt looks like in several answers to one question, and how well a sign of doubt orders right and wrong."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from audit.metrics._arrays import (
    FloatArray,
    IntArray,
    as_mask,
    as_values,
    cluster_codes,
)

REJECTION_POINTS = 20  # shares of kept answers, from a tenth to all (Farquhar et al. 2024)


def meaning_clusters(entails: npt.ArrayLike) -> IntArray:
    """Answers grouped by meaning through entailment both ways (Kuhn et al. 2023, 2302.09664, algorithm 1).

    Greedy: each answer in turn joins the first group whose first member it entails and is entailed by, or opens one.

    Args:
        entails: ``[k, k]`` False/True; row i, column j: answer i entails answer j. The diagonal is not read.

    Returns:
        ``[k]`` the number of each answer's group, from 0 in order of first appearance.

    Raises:
        ValueError: where the table is not square or holds other than False/True or 0/1.
    """
    table = as_values("entails", entails, ndim=2)
    if table.shape[0] != table.shape[1]:
        raise ValueError(f"entails must be square, not {table.shape}")
    as_mask("entails", table.ravel())
    both = (table == 1) & (table.T == 1)
    first: list[int] = []
    labels = np.zeros(len(table), dtype=np.intp)
    for answer in range(len(table)):
        group = next((g for g, member in enumerate(first) if both[member, answer]), len(first))
        if group == len(first):
            first.append(answer)
        labels[answer] = group
    return labels


def semantic_entropy(labels: Sequence[Hashable]) -> float | None:
    """Discrete semantic entropy: Shannon entropy of the shares of meanings (Farquhar et al. 2024, Nature 630:625).

    Args:
        labels: ``[k]`` the meaning of each sampled answer.

    Returns:
        Nats, from 0 (one meaning) to log k (as many meanings as answers). None for empty input.
    """
    if not len(labels):
        return None
    shares = np.bincount(cluster_codes(labels, len(labels))) / len(labels)
    return max(0.0, float(-(shares * np.log(shares)).sum()))


def weighted_semantic_entropy(labels: Sequence[Hashable], logprobs: npt.ArrayLike) -> float | None:
    """Semantic entropy with each answer weighted by its likelihood (Farquhar et al. 2024, the Rao-Blackwellised form).

    The probability of a meaning is the sum over its answers' likelihoods, normalised over all sampled answers.

    Args:
        labels: ``[k]`` the meaning of each sampled answer.
        logprobs: ``[k]`` log-probability of each answer in nats, by convention divided by its tokens.

    Returns:
        Nats, from 0 to log k. None for empty input.

    Raises:
        ValueError: NaN or infinite log-probabilities; lengths differ; None or NaN labels.
    """
    logs = as_values("logprobs", logprobs)
    codes = cluster_codes(labels, len(logs))
    if not len(logs):
        return None
    # From logarithms, because the likelihoods of long answers all become 0.
    groups = [float(logsumexp(logs[codes == code])) for code in range(int(codes.max()) + 1)]
    normalised = np.array(groups) - logsumexp(logs)
    return max(0.0, float(-(np.exp(normalised) * normalised).sum()))


def predictive_entropy(logprobs: npt.ArrayLike) -> float | None:
    """Plain predictive entropy of sampled answers: minus their mean log-probability (naive entropy, without meanings).

    Args:
        logprobs: ``[k]`` log-probability of each answer in nats, by convention divided by its tokens.

    Returns:
        Nats, 0 or more for log-probabilities. None for empty input.

    Raises:
        ValueError: NaN or infinite log-probabilities.
    """
    logs = as_values("logprobs", logprobs)
    return float(-logs.mean()) if len(logs) else None


def risk_coverage(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> FloatArray:
    """The risk-coverage curve (El-Yaniv & Wiener 2010): share of errors among the k most confident answers.

    Equal confidences have no order: the share is then its expectation over all orders, so that a constant confidence
    gives the error rate at each k.

    Args:
        confidence: ``[..., n]`` numbers of any unit; one curve for each row.
        correct: ``[..., n]`` False/True or 0/1.

    Returns:
        ``[..., n]`` for k from 1 to n, shares from 0 (all right) to 1; the last is the error rate. Empty for empty input.

    Raises:
        ValueError: NaN or infinite confidences; labels other than 0/1; shapes differ.
    """
    stated, right = _rows("confidence", confidence, correct)
    n = stated.shape[-1]
    order = np.argsort(-stated, axis=-1, kind="stable")
    ranked = np.take_along_axis(stated, order, axis=-1)
    wrong = 1 - np.take_along_axis(right, order, axis=-1)
    errors = np.concatenate([np.zeros((*wrong.shape[:-1], 1)), np.cumsum(wrong, axis=-1)], axis=-1)
    place = np.broadcast_to(np.arange(n), ranked.shape)
    new = np.ones(ranked.shape, dtype=bool)
    new[..., 1:] = ranked[..., 1:] != ranked[..., :-1]
    # Of each place: where its run of equal confidences starts, and where the next run does.
    start = np.maximum.accumulate(np.where(new, place, 0), axis=-1)
    last = np.ones(ranked.shape, dtype=bool)
    last[..., :-1] = new[..., 1:]
    end = np.minimum.accumulate(np.where(last, place + 1, n)[..., ::-1], axis=-1)[..., ::-1]
    before, after = (np.take_along_axis(errors, edge, axis=-1) for edge in (start, end))
    expected = before + (after - before) * (place + 1 - start) / (end - start)
    curve: FloatArray = np.clip(expected / (place + 1), 0.0, 1.0)
    return curve


def _rows(name: str, values: npt.ArrayLike, correct: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Numbers and 0/1 of one shape, for one or many samples."""
    numbers = np.asarray(values, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    if numbers.shape != right.shape or not numbers.ndim:
        raise ValueError(f"shapes differ: {name} has {numbers.shape}, correct {right.shape}")
    as_values(name, numbers, numbers.ndim)
    as_mask("correct", right.ravel())
    return numbers, right


def aurc(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> FloatArray:
    """Area under the risk-coverage curve (Geifman & El-Yaniv 2017, 1705.08500; named by Geifman et al. 2018, 1805.08206).

    Args, Raises: as for ``risk_coverage``; n at least 1.

    Returns:
        ``[...]`` the mean of each curve: from 0 (no errors) over the error rate (confidence says nothing) to 1.
    """
    curve = risk_coverage(confidence, correct)
    if not curve.shape[-1]:
        raise ValueError("no observations")
    area: FloatArray = curve.mean(axis=-1)
    return area


def best_aurc(correct: npt.ArrayLike) -> FloatArray:
    """The area that these answers would have if each right one were more confident than each wrong one."""
    return aurc(correct, correct)


def excess_aurc(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> FloatArray:
    """Excess area over the best order of the same answers (E-AURC: Geifman et al. 2018, 1805.08206).

    Args, Raises: as for ``risk_coverage``; n at least 1.

    Returns:
        ``[...]`` from 0 (the best order) on; less than 1.
    """
    # Rounding can put the best order a hair above itself.
    excess: FloatArray = np.maximum(0.0, aurc(confidence, correct) - best_aurc(correct))
    return excess


def risk_at(share: float, curve: npt.ArrayLike) -> FloatArray:
    """Share of errors among the most confident ``share`` of the answers, rounded up to a whole answer.

    Args:
        share: of the answers that are kept, above 0, at most 1.
        curve: ``[..., n]`` from ``risk_coverage``, n at least 1.

    Returns:
        ``[...]`` from 0 to 1.

    Raises:
        ValueError: a share outside its range; an empty curve.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie above 0 and at most at 1, not {share}")
    risks = np.asarray(curve, dtype=np.float64)
    if not risks.shape[-1]:
        raise ValueError("the curve is empty")
    found: FloatArray = risks[..., int(np.ceil(share * risks.shape[-1] - 1e-9)) - 1]
    return found


def aurac(uncertainty: npt.ArrayLike, correct: npt.ArrayLike) -> FloatArray:
    """Area under the rejection-accuracy curve (Farquhar et al. 2024, Nature 630:625).

    The accuracy of the answers whose uncertainty is at most its q-quantile, averaged over twenty q from 0.1 to 1. The
    authors' code sums twenty strips on a base of 0.9 and so gives 18/19 of this. Answers as
    uncertain as the quantile are all kept: where all are alike it is the accuracy.

    Args:
        uncertainty: ``[..., n]`` numbers of any unit, n at least 1.
        correct: ``[..., n]`` False/True or 0/1.

    Returns:
        ``[...]`` shares from 0 (no answer is right) over the accuracy (uncertainty says nothing) to 1.

    Raises:
        ValueError: NaN or infinite uncertainties; labels other than 0/1; shapes differ; empty input.
    """
    unsure, right = _rows("uncertainty", uncertainty, correct)
    if not unsure.shape[-1]:
        raise ValueError("no observations")
    limits = np.quantile(unsure, np.linspace(0.1, 1.0, REJECTION_POINTS), axis=-1)
    # A quantile between two equal numbers can fall a rounding error below them.
    room = 1e-12 * max(1.0, float(np.abs(unsure).max()))
    # One limit at a time, so that many samples fit into memory.
    kept = [unsure <= limit[..., None] + room for limit in limits]
    found: FloatArray = np.mean([(k * right).sum(axis=-1) / k.sum(axis=-1) for k in kept], axis=0)
    return found


def unigram_surprisals(words: Sequence[str], texts: Sequence[Sequence[str]]) -> FloatArray:
    """How unexpected each word is to a unigram model of some texts (SelfCheckGPT: Manakul et al. 2023, 2303.08896).

    The model's probability of a word is its share of all words of the texts. As in the paper, the text that ``words`` come
    from is one of the texts, which is what smooths it.

    Args:
        words: ``[n]``, each of which is in at least one of the texts.
        texts: the words of each text.

    Returns:
        ``[n]`` minus the log-probability of each word, nats, 0 (the texts hold no other word) or more.

    Raises:
        ValueError: a word that none of the texts holds.
    """
    counts: dict[str, int] = {}
    for text in texts:
        for word in text:
            counts[word] = counts.get(word, 0) + 1
    missing = next((word for word in words if word not in counts), None)
    if missing is not None:
        raise ValueError(f"no text holds the word {missing!r}")
    shares = np.array([counts[word] for word in words], dtype=np.float64) / sum(counts.values())
    surprise: FloatArray = -np.log(shares)
    return surprise
