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


def test_logits_that_differ_in_their_last_digits_draw_the_same() -> None:
    """As those of other kernels do; in half precision the difference is a hundredth."""
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn((400, 5000), generator=generator)
    seeds = list(range(len(logits)))
    before = draw(logits, [1.0] * len(seeds), streams(seeds))
    for size, most in ((1e-4, 1), (1e-2, 12)):
        moved = logits + size * torch.randn(logits.shape, generator=generator)
        after = draw(moved, [1.0] * len(seeds), streams(seeds))
        assert sum(a != b for a, b in zip(before, after, strict=True)) <= most


def test_a_stream_goes_on_from_token_to_token() -> None:
    (stream,) = streams([4])
    logits = torch.zeros((1, 1000))
    found = [draw(logits, [1.0], [stream])[0] for _ in range(3)]
    assert len(set(found)) == 3
    (again,) = streams([4])
    numbers = torch.rand(1000, generator=again)
    assert found[0] == int(numbers.argmax())  # of equal chances the largest number wins
    assert draw(logits, [1.0], [again]) == found[1:2]


def test_near_temperature_0_the_likeliest_is_drawn() -> None:
    logits = 1e4 * torch.randn((20, 30), generator=torch.Generator().manual_seed(0))
    found = draw(logits, [1e-300, 1e-30] * 10, streams(list(range(20))))
    assert found == logits.argmax(-1).tolist()


def test_a_token_that_cannot_be_is_never_drawn() -> None:
    """Neither the first one, of whose chances nothing comes before, nor the last."""
    logits = torch.full((200, 3), -torch.inf)
    logits[:, 1] = 0.0
    assert draw(logits, [1.0] * 200, streams(list(range(200)))) == [1] * 200
