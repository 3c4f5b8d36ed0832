from tests.probes.contracts import Contract

CONTRACT = Contract(
    partition=("greedy_identical", "sampled_identical", "likelihood_within"),
    sliced=("greedy_identical", "sampled_identical", "likelihood_within"),
)
