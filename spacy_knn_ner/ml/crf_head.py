"""A tagger's model whose tags depend on each other: a CRF over a linear layer."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Linear, Model, chain, torch2xp, with_array, xp2torch

from ..tags import MISSING, Transitions
from .crf import (
    INVALID,
    Chain,
    best_tags,
    log_marginals,
    marginals,
    negative_log_likelihood,
)
from .extras import require_torch
from .heads import TokenVectors, assemble, hidden_layers, replace_output, width_of

if TYPE_CHECKING:
    from torch import Tensor

_PARAMS = ("start", "step", "end")


def build_crf_tagger(
    tok2vec: Model[list[Doc], TokenVectors],
    hidden_size: int | None = None,
    nO: int | None = None,
) -> Model[list[Doc], TokenVectors]:
    """p(y|x) over whole sequences: a linear-chain CRF, as in stage two of NerCo. The
    marginals of its tokens are p_base.

    tok2vec, hidden_size, nO: As for `build_ner_tagger`.
    RETURNS (Model[list[Doc], list[Floats2d]]): Emissions, one array of shape
        (n_tokens, n_tags) per Doc. References: "tok2vec", "head", "output_layer",
        "crf".
    """
    require_torch("spacy_knn_ner.CrfTagger.v1")
    output = emission_layer(nO, hidden_size or width_of(tok2vec))
    layers: Any = chain(*hidden_layers(tok2vec, hidden_size), output)
    crf = crf_layer(nO)
    head: Any = chain(with_array(layers), cast(Any, crf))
    model = assemble(tok2vec, head, output, CrfHead(), resize_output)
    model.set_ref("crf", crf)
    return model


def emission_layer(nO: int | None, nI: int | None) -> Model[Any, Any]:
    """Build the layer that scores each tag at each token."""
    return Linear(nO, nI)


def crf_layer(nO: int | None) -> Model[TokenVectors, TokenVectors]:
    """Build the layer that holds the scores of transitions. It returns the emissions as
    they are: what they mean together is computed by `CrfHead`.

    nO (int | None): Number of tags; set when the labels are known.
    """
    params: dict[str, Any] = dict.fromkeys(_PARAMS)  # allocated when nO is known
    return Model("crf", _forward, init=_init, dims={"nO": nO}, params=params)


def _forward(
    model: Model, emissions: TokenVectors, is_train: bool
) -> tuple[TokenVectors, Callable[[TokenVectors], TokenVectors]]:
    return emissions, lambda gradients: gradients


def _init(model: Model, X: Any = None, Y: Any = None) -> None:
    if model.has_dim("nO"):
        nO = model.get_dim("nO")
        model.set_param("start", model.ops.alloc1f(nO))
        model.set_param("step", model.ops.alloc2f(nO, nO))
        model.set_param("end", model.ops.alloc1f(nO))


def resize_output(model: Model[Any, Any], nO: int) -> Model[Any, Any]:
    """Make room for new tags behind the known ones, which keep their weights.

    model (Model): Built by `build_crf_tagger`.
    nO (int): New number of tags, not smaller than before.
    RETURNS (Model): The same model.
    """
    replace_output(model, nO, emission_layer)
    crf = model.get_ref("crf")
    if not crf.has_dim("nO"):
        crf.set_dim("nO", nO)
    elif crf.has_param("step"):
        larger = crf_layer(nO)
        _init(larger)
        for name in _PARAMS:
            known, new = crf.get_param(name), cast(Any, larger.get_param(name))
            new[tuple(map(slice, known.shape))] = known
        # As for the last layer: an optimizer keeps arrays of the old size.
        model.replace_node(crf, larger)
    else:
        crf.set_dim("nO", nO, force=True)
    return model


class CrfHead:
    """Scores are emissions of a CRF; see `TagHead`."""

    def distribution(
        self, model: Model, scores: TokenVectors, allowed: Transitions
    ) -> TokenVectors:
        """Compute the marginals; see `TagHead.distribution`."""
        result: list[Any] = list(scores)
        for group, emissions, mask in _padded(scores):
            p = marginals(emissions, mask, _chain(model, allowed, emissions))
            for row, i in enumerate(group):
                result[i] = torch2xp(p[row, : len(scores[i])], ops=model.ops)
        return result

    def best_tags(
        self, model: Model, scores: TokenVectors, allowed: Transitions
    ) -> list[np.ndarray] | None:
        """Find the sequences with the highest score; see `TagHead.best_tags`."""
        result = [np.zeros(0, dtype=np.int64) for _ in scores]
        for group, emissions, mask in _padded(scores):
            tags = best_tags(emissions, mask, _chain(model, allowed, emissions))
            for row, i in enumerate(group):
                result[i] = tags[row, : len(scores[i])].cpu().numpy()
        return result

    def loss(
        self,
        model: Model,
        scores: TokenVectors,
        gold: list[np.ndarray],
        allowed: Transitions,
        weights: list[float] | None = None,
    ) -> tuple[float, TokenVectors]:
        """Compute −log p(gold|x), summed over Docs; see `TagHead.loss`. Where a tag is
        missing, p is the sum over all that it could be."""
        import torch

        def of_group(
            group: list[int], emissions: "Tensor", mask: "Tensor", chain_: Chain
        ) -> "Tensor":
            tags = torch.full(mask.shape, MISSING, device=mask.device)
            for row, i in enumerate(group):
                tags[row, : len(gold[i])] = torch.as_tensor(gold[i])
            losses = negative_log_likelihood(emissions, tags, mask, chain_)
            if weights is None:
                return losses.sum()
            chosen = [weights[i] for i in group]
            return losses @ torch.tensor(chosen, dtype=losses.dtype).to(losses.device)

        return self._with_gradients(model, scores, allowed, of_group)

    def divergence(
        self,
        model: Model,
        scores: TokenVectors,
        targets: TokenVectors,
        allowed: Transitions,
        temperature: float,
        weight: float = 1.0,
    ) -> tuple[float, TokenVectors]:
        """Compute the divergence of marginals, equation 8 of CL-NER; see
        `TagHead.divergence`."""
        import torch

        def of_group(
            group: list[int], emissions: "Tensor", mask: "Tensor", chain_: Chain
        ) -> "Tensor":
            tensors = [xp2torch(targets[i]) for i in group]
            padded = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
            with torch.no_grad():
                log_target = log_marginals(padded, mask, chain_) / temperature
                log_target = log_target.log_softmax(dim=2)
            log_q = log_marginals(emissions, mask, chain_) / temperature
            difference = log_target - log_q.log_softmax(dim=2)
            kl = (log_target.exp() * difference).sum(dim=2)
            return weight * temperature**2 * kl[mask].sum()

        return self._with_gradients(model, scores, allowed, of_group)

    def _with_gradients(
        self,
        model: Model,
        scores: TokenVectors,
        allowed: Transitions,
        loss_of: Callable[[list[int], "Tensor", "Tensor", Chain], "Tensor"],
    ) -> tuple[float, TokenVectors]:
        """Sum a loss over groups of sequences. The gradients of transitions are added
        to the model's."""
        total = 0.0
        gradients: list[Any] = [model.ops.xp.zeros_like(s) for s in scores]
        crf = model.get_ref("crf")
        for group, emissions, mask in _padded(scores):
            emissions.requires_grad_()
            params = {name: _tensor(crf, name, emissions) for name in _PARAMS}
            loss = loss_of(group, emissions, mask, _masked(Chain(**params), allowed))
            loss.backward()
            total += loss.item()
            for row, i in enumerate(group):
                of_scores = cast(Any, emissions.grad)[row, : len(scores[i])]
                gradients[i] = torch2xp(of_scores, ops=model.ops)
            for name, tensor in params.items():
                gradient = tensor.grad
                if gradient is not None:  # texts of one token have no steps
                    crf.inc_grad(name, cast(Any, torch2xp(gradient, ops=model.ops)))
        return total, gradients


def _chain(model: Model, allowed: Transitions, like: "Tensor") -> Chain:
    crf = model.get_ref("crf")
    params = {name: _tensor(crf, name, like) for name in _PARAMS}
    return _masked(Chain(**params), allowed)


def _tensor(crf: Model, name: str, like: "Tensor") -> "Tensor":
    return xp2torch(crf.get_param(name), requires_grad=True, device=like.device)


def _masked(chain_: Chain, allowed: Transitions) -> Chain:
    """The scores of valid transitions; the others are not possible."""

    def masked(scores: "Tensor", valid: np.ndarray) -> "Tensor":
        import torch

        mask = torch.as_tensor(valid, device=scores.device)
        return scores.masked_fill(~mask, INVALID)

    return Chain(
        masked(chain_.start, allowed.first),
        masked(chain_.step, allowed.step),
        masked(chain_.end, allowed.last),
    )


def _padded(
    scores: TokenVectors,
) -> Iterator[tuple[list[int], "Tensor", "Tensor"]]:
    """Sequences of similar length side by side: their numbers, emissions and mask."""
    import torch

    longest_first = sorted(
        (i for i in range(len(scores)) if len(scores[i])), key=lambda i: -len(scores[i])
    )
    start = 0
    while start < len(longest_first):
        longest = len(scores[longest_first[start]])
        group = [i for i in longest_first[start:] if 2 * len(scores[i]) >= longest]
        start += len(group)
        tensors = [xp2torch(scores[i]) for i in group]
        emissions = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
        lengths = torch.tensor([len(t) for t in tensors], device=emissions.device)
        mask = torch.arange(longest, device=emissions.device) < lengths[:, None]
        yield group, emissions, mask
