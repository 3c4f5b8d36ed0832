"""Tokens are drawn with the model's chances, each row from its own stream."""

from __future__ import annotations

import torch
from scipy.stats import chisquare

from audit.models.sampling import ROWS, draw


def streams(seeds: list[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_shares_are_the_chances_at_each_temperature() -> None:
    logits = torch.tensor([1.0, 0.0, -torch.inf, 2.0, -1.0])
    for temperature in (0.5, 1.0, 2.0):
        count = 6000
        found = draw(logits.expand(count, -1), [temperature] * count, streams(list(range(count))))
        shares = torch.bincount(torch.tensor(found), minlength=5)
        chances = (logits / temperature).softmax(-1)
        assert shares[2] == 0
        kept = chances > 0
        assert chisquare(shares[kept], count * chances[kept].double() / chances[kept].double().sum()).pvalue > 1e-3


def test_a_row_draws_the_same_beside_any_others() -> None:
    logits = torch.randn((3 * ROWS, 50), generator=torch.Generator().manual_seed(0))
    seeds = list(range(len(logits)))
    together = draw(logits, [0.7] * len(seeds), streams(seeds))
    alone = [draw(logits[i : i + 1], [0.7], streams([i]))[0] for i in seeds]
    assert together == alone
    assert len(set(together)) > 10


def test_a_stream_moves_on_by_one_number() -> None:
    (stream,) = streams([4])
    logits = torch.zeros((1, 1000))
    found = [draw(logits, [1.0], [stream])[0] for _ in range(3)]
    numbers = torch.rand(3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    assert found == [int(number * 1000) for number in numbers]


def test_near_temperature_0_the_likeliest_is_drawn() -> None:
    logits = 1e4 * torch.randn((20, 30), generator=torch.Generator().manual_seed(0))
    found = draw(logits, [1e-300] * 20, streams(list(range(20))))
    assert found == logits.argmax(-1).tolist()


def test_a_token_that_cannot_be_is_never_drawn() -> None:
    """Neither the first one, of whose chances nothing comes before, nor the last."""
    logits = torch.full((200, 3), -torch.inf)
    logits[:, 1] = 0.0
    assert draw(logits, [1.0] * 200, streams(list(range(200)))) == [1] * 200
