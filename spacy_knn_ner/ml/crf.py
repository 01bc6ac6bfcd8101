"""A linear-chain CRF over tags (Lafferty et al. 2001), in torch.

score(y) = start[y₁] + Σ emission[i, yᵢ] + Σ step[yᵢ₋₁, yᵢ] + end[yₙ]
p(y|x)   = exp(score(y)) / Z

Everything is computed in float32 or float64: emissions of half precision are converted,
so that sums of exponentials stay finite.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# The score of what is not valid: its probability is 0, and its gradient as well.
INVALID = -1e4


@dataclass(frozen=True)
class Chain:
    """The scores of a CRF beside the emissions.

    start, end (Tensor): Of the first and the last tag, shape (n_tags,).
    step (Tensor): Of a tag (row) and the next (column), shape (n_tags, n_tags).
    """

    start: "Tensor"
    step: "Tensor"
    end: "Tensor"


def log_partition(emissions: "Tensor", mask: "Tensor", chain: Chain) -> "Tensor":
    """Compute log Z by the forward algorithm.

    emissions (Tensor): Scores of tags, shape (n_sequences, n_tokens, n_tags).
    mask (Tensor): Which of them are tokens, shape (n_sequences, n_tokens), bool; each
        sequence has one or more, followed by padding.
    chain (Chain): The other scores.
    RETURNS (Tensor): Shape (n_sequences,).
    """
    alpha = chain.start + emissions[:, 0]
    for i in range(1, emissions.shape[1]):
        paths = alpha[:, :, None] + chain.step
        following = paths.logsumexp(dim=1) + emissions[:, i]
        alpha = following.where(mask[:, i, None], alpha)
    return (alpha + chain.end).logsumexp(dim=1)


def negative_log_likelihood(
    emissions: "Tensor", tags: "Tensor", mask: "Tensor", chain: Chain
) -> "Tensor":
    """Compute −log p(tags|x) of each sequence. Where a tag is missing, p is the sum
    over all that it could be.

    emissions, mask, chain: As for `log_partition`.
    tags (Tensor): Shape (n_sequences, n_tokens), int64; negative where missing.
    RETURNS (Tensor): Shape (n_sequences,).
    """
    import torch

    n = len(emissions)
    emissions = _at_least_float32(emissions)
    columns = torch.arange(emissions.shape[2], device=emissions.device)
    possible = (columns == tags[:, :, None]) | (tags[:, :, None] < 0)
    given = emissions.masked_fill(~possible, INVALID)
    # Both at once: a loop over tokens costs the same for twice as many sequences.
    both = log_partition(torch.cat([emissions, given]), mask.repeat(2, 1), chain)
    return both[:n] - both[n:]


def marginals(emissions: "Tensor", mask: "Tensor", chain: Chain) -> "Tensor":
    """Compute the probability of each tag at each token: the gradient of log Z with
    regard to the emissions, which is what the forward-backward algorithm computes.

    emissions, mask, chain: As for `log_partition`.
    RETURNS (Tensor): Shape (n_sequences, n_tokens, n_tags); 0 at padding.
    """
    import torch

    with torch.enable_grad():
        leaf = _at_least_float32(emissions.detach()).requires_grad_()
        total = log_partition(leaf, mask, _detached(chain)).sum()
        (gradient,) = torch.autograd.grad(total, leaf)
    return gradient


def log_marginals(emissions: "Tensor", mask: "Tensor", chain: Chain) -> "Tensor":
    """Compute the logarithm of `marginals` by the forward-backward algorithm, so that a
    loss can be computed of them: log α + log β − log Z, equation 7 of CL-NER (Wang et
    al. 2021).

    emissions, mask, chain: As for `log_partition`.
    RETURNS (Tensor): Shape (n_sequences, n_tokens, n_tags); of no meaning at padding.
    """
    import torch

    emissions = _at_least_float32(emissions)
    length = emissions.shape[1]
    alphas = [chain.start + emissions[:, 0]]
    for i in range(1, length):
        paths = alphas[-1][:, :, None] + chain.step
        following = paths.logsumexp(dim=1) + emissions[:, i]
        alphas.append(following.where(mask[:, i, None], alphas[-1]))
    betas = [chain.end.expand_as(alphas[0])]
    for i in range(length - 1, 0, -1):
        behind = (emissions[:, i] + betas[-1])[:, None, :]
        before = (chain.step + behind).logsumexp(dim=2)
        betas.append(before.where(mask[:, i, None], betas[-1]))
    total = (alphas[-1] + chain.end).logsumexp(dim=1)
    both = torch.stack(alphas, dim=1) + torch.stack(betas[::-1], dim=1)
    return both - total[:, None, None]


def best_tags(emissions: "Tensor", mask: "Tensor", chain: Chain) -> "Tensor":
    """Find the sequence with the highest score, by the Viterbi algorithm.

    emissions, mask, chain: As for `log_partition`.
    RETURNS (Tensor): Tag ids, shape (n_sequences, n_tokens), int64; 0 at padding.
    """
    import torch

    emissions, chain = _at_least_float32(emissions.detach()), _detached(chain)
    n, length, n_tags = emissions.shape
    stay = torch.arange(n_tags, device=emissions.device).expand(n, -1)
    best = chain.start + emissions[:, 0]
    origins = []
    for i in range(1, length):
        scores, origin = (best[:, :, None] + chain.step).max(dim=1)
        is_token = mask[:, i, None]
        best = (scores + emissions[:, i]).where(is_token, best)
        origins.append(origin.where(is_token, stay))
    tags = [(best + chain.end).argmax(dim=1)]
    for origin in reversed(origins):
        tags.append(origin.gather(1, tags[-1][:, None])[:, 0])
    return torch.stack(tags[::-1], dim=1) * mask


def _at_least_float32(emissions: "Tensor") -> "Tensor":
    is_half = emissions.element_size() < 4
    return emissions.float() if is_half else emissions


def _detached(chain: Chain) -> Chain:
    return Chain(chain.start.detach(), chain.step.detach(), chain.end.detach())
