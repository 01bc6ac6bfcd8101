"""The factory `ner_tagger`: the distribution that neighbors are interpolated with."""

from collections.abc import Callable

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config, Model
from thinc.types import Floats2d

from ..ml.cooperative import Cooperative
from ..reading.annotations import SCORE_WEIGHTS
from .ner_tagger import NerTagger

DEFAULT_CONFIG = """
[model]
@architectures = "spacy_knn_ner.NerTagger.v1"
hidden_size = null

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = 96
rows = [5000, 1000, 2500, 1000]
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
include_static_vectors = false

[model.tok2vec.encode]
@architectures = "spacy.MaxoutWindowEncoder.v2"
width = ${model.tok2vec.embed.width}
window_size = 1
maxout_pieces = 3
depth = 4
"""

DEFAULT_MODEL = Config().from_str(DEFAULT_CONFIG)["model"]


@Language.factory(
    "ner_tagger",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "doc._.ner_tagger"],
    default_config={
        "model": DEFAULT_MODEL,
        "tag_scheme": "BILUO",
        "head_only_updates": 0,
        "head_learn_rate": 1.0,
        "cooperative": None,
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    },
    default_score_weights=SCORE_WEIGHTS,
)
def make_ner_tagger(
    nlp: Language,
    name: str,
    model: Model[list[Doc], list[Floats2d]],
    tag_scheme: str,
    head_only_updates: int,
    head_learn_rate: float,
    cooperative: Cooperative | None,
    scorer: Callable | None,
) -> NerTagger:
    """Make a NerTagger component.

    model (Model[list[Doc], list[Floats2d]]): Docs → tag probabilities, such as
        `spacy_knn_ner.NerTagger.v1` over any tok2vec or transformer sublayer.
    tag_scheme (str): `"BILUO"` (default) or `"BIO"`.
    head_only_updates (int): The first updates train the head alone, and leave the
        encoder as it is: also for other components that train it, if they come before
        the tagger. Default: 0.
    head_learn_rate (float): Learning rate of the head, in units of the optimizer's,
        which is the encoder's. Default: 1.
    cooperative (Cooperative | None): How the two views of a sentence are trained
        together where a batch has both, such as `spacy_knn_ner.Cooperative.v1`.
        Default: each by itself.
    scorer (Callable | None): Scores examples. Default: spaCy's span F1.
    """
    return NerTagger(
        nlp.vocab,
        model,
        name,
        tag_scheme=tag_scheme,
        head_only_updates=head_only_updates,
        head_learn_rate=head_learn_rate,
        cooperative=cooperative,
        scorer=scorer,
    )
