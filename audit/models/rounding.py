"""How far a log-likelihood may move between two ways of computing it without being another number."""

from __future__ import annotations

EXACT = ("float32", "float64")
ABSOLUTE, ABSOLUTE_HALF = 1e-3, 0.5  # nats; half precision and fewer bits round to tenths of a nat
RELATIVE = 3e-5  # float32 sums in another order: of sentences of 80 nats, the last digits differ


def exact(number_format: str | None) -> bool:
    """Whether a model's number format (``ModelFacts.dtype``) is full precision; one that is not known is not."""
    return number_format in EXACT


def tolerance(number_format: str | None, value: float, nats: float | None = None) -> float:
    """How far a log-likelihood of this value may move, in nats.

    Args:
        number_format: of the model; half precision, quantised weights and unknown formats get ``ABSOLUTE_HALF``.
        value: the log-likelihood, in nats.
        nats: in place of the absolute part that goes with the format.
    """
    absolute = nats if nats is not None else ABSOLUTE if exact(number_format) else ABSOLUTE_HALF
    return absolute + RELATIVE * abs(value)
