"""Contrastive losses: tokens of one class together, apart from all others.

`contrastive_loss` is that of NerCo. For an ordered pair of different tokens i, j of one
class, with s = cosine similarity:

    loss(i, j) = −log( e^{s_ij/τ} / (e^{s_ij/τ} + Σ_n e^{s_in/τ}) )
               = softplus( logsumexp_n(s_in/τ) − s_ij/τ )

where n runs over the tokens of other classes. Each pair has a denominator of its own:
one positive, and all negatives (unlike the supervised contrastive loss, which has all
positives there too).

`vote_loss` is for keys: the negative log-likelihood of a token's class by the vote of
the other tokens, which is equation 3 of kNN-NER with every entry as a neighbor. So a
class may have several clusters, such as the words of a type. It is that of
neighborhood components analysis (Goldberger et al. 2004), with cosine similarities.
"""

from typing import TYPE_CHECKING

from ..errors import Errors, KnnNerError

if TYPE_CHECKING:
    from torch import Tensor

REDUCTIONS = ("sum", "class_mean", "mean")
OUTSIDE = 0  # the class of tokens without an entity
# In place of a similarity that does not count: e^{this} is 0, and so is its gradient.
_NOTHING = -1e9


def contrastive_loss(
    vectors: "Tensor",
    classes: "Tensor",
    *,
    temperature: float = 0.07,
    reduction: str = "class_mean",
    include_outside: bool = False,
) -> "Tensor":
    """Compute the loss of a batch of tokens.

    Memory grows with the number of pairs: (tokens that have a class) × (all tokens).

    vectors (Tensor): Shape (n_tokens, width).
    classes (Tensor): Shape (n_tokens,), integers; 0 outside of entities, which are
        negatives for all others, and pairs with one another only if `include_outside`.
        Negative: without annotation, and left out.
    temperature (float): τ. Default: 0.07, the paper's (0.08 on Weibo).
    reduction (str): `"sum"` over pairs, as in the paper; `"class_mean"`: the mean over
        the pairs of each class, summed over classes, as in its published code; or
        `"mean"` over pairs.
    include_outside (bool): The paper's ablation: `O` is a class like any other.
        Default: False.
    RETURNS (Tensor): A number; 0, with a gradient of 0, if no two tokens have the same
        class.
    RAISES (KnnNerError): For another reduction.
    """
    import torch
    from torch.nn.functional import normalize, softplus

    if reduction not in REDUCTIONS:
        raise KnnNerError(Errors.E087, value=reduction, known=", ".join(REDUCTIONS))
    vectors, classes = vectors[classes >= 0], classes[classes >= 0]
    # Half precision would lose what a temperature of 0.07 magnifies.
    unit = normalize(vectors if vectors.dtype == torch.float64 else vectors.float())
    queries = torch.arange(len(classes), device=classes.device)
    if not include_outside:
        queries = queries[classes != OUTSIDE]
    similarities = unit[queries] @ unit.T / temperature
    same = classes[queries, None] == classes
    negatives = similarities.masked_fill(same, _NOTHING).logsumexp(dim=1)
    pairs = same.clone()
    pairs[torch.arange(len(queries), device=classes.device), queries] = False
    rows, columns = pairs.nonzero(as_tuple=True)
    losses = softplus(negatives[rows] - similarities[rows, columns])
    if reduction == "sum":
        return losses.sum()
    if reduction == "mean":
        return losses.sum() / max(1, len(losses))
    owners = classes[queries][rows]
    present, owners = owners.unique(return_inverse=True)
    counts = torch.bincount(owners, minlength=len(present))
    return (losses / counts[owners]).sum()


def vote_loss(
    vectors: "Tensor", classes: "Tensor", n_queries: int, *, temperature: float = 0.1
) -> "Tensor":
    """Compute −log p_kNN of the classes of tokens, whose neighbors are all others.

    vectors (Tensor): Shape (n_tokens, width).
    classes (Tensor): Shape (n_tokens,), integers.
    n_queries (int): The first so many tokens vote and are voted for; the others only
        vote.
    temperature (float): Of the votes, in units of cosine. Default: 0.1.
    RETURNS (Tensor): The mean over the queries that have another token of their class;
        0 if none has.
    """
    import torch
    from torch.nn.functional import normalize

    unit = normalize(vectors)
    similarities = unit[:n_queries] @ unit.T / temperature
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)[:n_queries]
    similarities = similarities.masked_fill(itself, _NOTHING)
    same = (classes[:n_queries, None] == classes) & ~itself
    votes = similarities.masked_fill(~same, _NOTHING).logsumexp(dim=1)
    losses = (similarities.logsumexp(dim=1) - votes)[same.any(dim=1)]
    return losses.sum() / max(1, len(losses))
