"""How far the methods of ``explainability.attribution`` agree with one another on a decision."""

from __future__ import annotations

import numpy as np

from audit.metrics import mean_pairwise_tau, top_k_overlap
from audit.models import Attributed, Method
from audit.results import ItemStatus
from probes.explainability.attribution_measures import Explained, Reading, says_nothing
from probes.explainability.attribution_requests import DEFAULT, top_count


def agreements(one: Explained) -> list[tuple[Method, Attributed]]:
    """The explanations of one decision that can be set beside one another."""
    found = [
        (m, t.found) for m, t in one.tested.items() if t.found is not None and says_nothing(t.found.scores) is None
    ]
    return [(m, f) for m, f in found if len(f.units) == len(found[0][1].units)]


def agreement(one: Explained, method: Method | None = None) -> Reading:
    """Mean Kendall's tau over all pairs of methods, or of one method with the default one."""
    found = agreements(one)
    known = [f.scores for m, f in found if method is None or m in (method, DEFAULT)]
    if len(known) < 2:
        return Reading(_worst_status(one))
    return Reading.of(mean_pairwise_tau(known), 0.0)


def top_words(one: Explained, share: float | None) -> Reading:
    """Mean overlap over pairs of methods of the top share of words (None: of the top word), with that expected by chance."""
    found = [f.scores for _, f in agreements(one)]
    if len(found) < 2:
        return Reading(_worst_status(one))
    k = 1 if share is None else top_count(share, len(found[0]))
    overlaps = [top_k_overlap(a, b, k) for i, a in enumerate(found) for b in found[i + 1 :]]
    return Reading("scored", float(np.mean([o.overlap for o in overlaps if o])), k / len(found[0]))


def _worst_status(one: Explained) -> ItemStatus:
    """Why methods cannot be compared: what became of the first that gave nothing."""
    return next((t.status for t in one.tested.values() if t.status != "scored"), "unparsed")
