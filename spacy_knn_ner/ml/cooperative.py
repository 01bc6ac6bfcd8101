"""Cooperative learning: a tagger should see the same without contexts as with them
(CL-NER, Wang et al. 2021, section 2.3).

    loss = NLL(plain view) + external_weight · NLL(context view) + weight · CL

CL is the squared distance between the vectors of a token in both views (equation 5),
the divergence between its distributions (equation 8), or their sum. The context view
has no gradient from it.
"""

from dataclasses import dataclass
from typing import Any

from thinc.types import Floats2d

from ..errors import Errors, KnnNerError

LOSSES = ("kl", "l2", "both", "none")


@dataclass(frozen=True)
class Cooperative:
    """How two views are trained together: by default with the paper's values,
    `spacy_knn_ner.Cooperative.v1`.

    loss (str): `"kl"`, `"l2"`, `"both"` or `"none"`: both views are trained, without a
        loss between them.
    weight (float): Of that loss.
    external_weight (float): Of the context view's likelihood.
    temperature (float): T: distributions are compared with their logarithms divided by
        it, and the divergence is multiplied by T².
    divide_by_width (bool): Whether the squared distance is a mean over the numbers of
        the vectors.
    """

    loss: str = "kl"
    weight: float = 1.0
    external_weight: float = 1.0
    temperature: float = 1.0
    divide_by_width: bool = False

    def __post_init__(self) -> None:
        is_valid = self.loss in LOSSES and self.temperature > 0
        if not is_valid or self.weight < 0 or self.external_weight < 0:
            raise KnnNerError(Errors.E097, value=self, losses=", ".join(LOSSES))

    @property
    def of_distributions(self) -> bool:
        """Whether distributions are compared."""
        return self.loss in ("kl", "both")

    @property
    def of_vectors(self) -> bool:
        """Whether vectors are compared."""
        return self.loss in ("l2", "both")


def as_in_code(
    loss: str = "kl",
    weight: float = 0.5,
    external_weight: float = 0.5,
    temperature: float = 0.3,
    divide_by_width: bool = True,
) -> Cooperative:
    """Make `Cooperative` with the values of the published code
    (https://github.com/Alibaba-NLP/CLNER), `spacy_knn_ner.CooperativeOfCode.v1`.

    loss, weight, external_weight, divide_by_width: See `Cooperative`.
    temperature (float): Default: 0.3, as for WNUT-17 and BC5CDR there; 2.0 for
        NCBI-disease.
    RAISES (KnnNerError): For an invalid value.
    """
    return Cooperative(loss, weight, external_weight, temperature, divide_by_width)


def squared_distance(
    plain: list[Floats2d], external: list[Floats2d], divide_by_width: bool
) -> tuple[float, list[Floats2d]]:
    """Compute Σ ‖v′ − v‖² over tokens, equation 5, and its gradient.

    plain, external (list[Floats2d]): Vectors of the same tokens in both views, shape
        (n_tokens, width) per Doc.
    divide_by_width (bool): See `Cooperative`.
    RETURNS (tuple[float, list[Floats2d]]): The sum, and the gradient with regard to
        `plain`.
    """
    total = 0.0
    gradients: list[Any] = []
    for v, other in zip(plain, external, strict=True):
        scale = 1.0 / v.shape[1] if divide_by_width and v.shape[1] else 1.0
        difference: Any = v - other
        total += scale * float((difference**2).sum())
        gradients.append(2 * scale * difference)
    return total, gradients
