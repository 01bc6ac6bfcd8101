"""BERTScore (Zhang et al. 2020): the similarity of the word pieces of two texts."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from math import log
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

from thinc.util import get_torch_default_device

from ...corpora.texts import read_texts
from ...errors import Errors, KnnNerError
from ...ml.contexts.pieces import n_positions
from ...ml.extras import require_torch

_CACHED = 500_000_000  # bytes of vectors
_AT_ONCE = 160  # pairs
_MAX_PIECES = 512
PARTS = ("precision", "recall", "f1")


class BertScore:
    """Compares each word piece of a text with the nearest one of the other.

    S = cosines of word pieces;  R = mean over the sentence of max S, P = mean over the
    text of max S, F1 = 2PR / (P + R): section 2.1 of CL-NER. Special pieces have no
    weight, but may be the nearest. The encoder is one that no training changes, so that
    contexts do not change while a tagger is trained.
    """

    def __init__(
        self,
        encoder: str,
        layer: int | None = None,
        part: str = "f1",
        idf_texts: Iterable[str] | None = None,
        batch_size: int = 64,
    ) -> None:
        """encoder (str), layer (int | None), part (str), batch_size (int): As for
            `make_bert_score`.
        idf_texts (Iterable[str] | None): Pieces count by how rare they are in these.
        RAISES (KnnNerError): For an invalid setting, or without torch.
        """
        if part not in PARTS:
            raise KnnNerError(Errors.E103, value=part, parts=", ".join(PARTS))
        require_torch("spacy_knn_ner.BertScore.v1")
        self.encoder, self.layer, self.part = encoder, layer, part
        self.batch_size = batch_size
        self._idf_texts = None if idf_texts is None else list(idf_texts)
        self._idf: dict[int, float] | None = None
        self._loaded: tuple[Any, Any] | None = None
        self._cache: OrderedDict[str, tuple[Any, Any]] = OrderedDict()
        self._cached = 0  # bytes

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Score texts; see `Reranker.score`. An empty text has 0."""
        scores = []
        for start in range(0, len(pairs), _AT_ONCE):
            some = pairs[start : start + _AT_ONCE]
            encoded = self._encode(
                list(dict.fromkeys(t for pair in some for t in pair))
            )
            scores += [self._compare(encoded[one], encoded[two]) for one, two in some]
        return scores

    def _compare(self, query: tuple[Any, Any], text: tuple[Any, Any]) -> float:
        (of_query, query_weights), (of_text, text_weights) = query, text
        if not query_weights.sum() or not text_weights.sum():
            return 0.0
        similar = of_query @ of_text.T
        recall = float(similar.max(dim=1).values @ query_weights / query_weights.sum())
        best = similar.max(dim=0).values
        precision = float(best @ text_weights / text_weights.sum())
        if self.part != "f1":
            return recall if self.part == "recall" else precision
        both = precision + recall
        return 2 * precision * recall / both if both else 0.0

    # --- the encoder -----------------------------------------------------------------

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            from transformers import AutoModel, AutoTokenizer

            try:
                tokenizer = AutoTokenizer.from_pretrained(self.encoder)
                if getattr(tokenizer, "add_prefix_space", None) is False:
                    # The first word of a text is a word as any other (RoBERTa).
                    tokenizer = AutoTokenizer.from_pretrained(
                        self.encoder, add_prefix_space=True
                    )
                model = AutoModel.from_pretrained(self.encoder).eval()
                model.to(get_torch_default_device())
            except (OSError, ValueError) as error:
                reason = shorten(str(error), 200, placeholder="…")
                raise KnnNerError(
                    Errors.E109, encoder=self.encoder, reason=reason
                ) from error
            n_layers = model.config.num_hidden_layers
            if self.layer is not None and not 0 <= self.layer <= n_layers:
                reason = f"layer={self.layer}, and it has {n_layers}"
                raise KnnNerError(Errors.E109, encoder=self.encoder, reason=reason)
            self._loaded = tokenizer, model
        return self._loaded

    def _encode(self, texts: list[str]) -> dict[str, tuple[Any, Any]]:
        """Normalized vectors and weights of pieces, computed once for each text."""
        new = [text for text in texts if text not in self._cache]
        new.sort(key=len)  # little padding
        for start in range(0, len(new), self.batch_size):
            self._encode_batch(new[start : start + self.batch_size])
        result = {}
        for text in texts:
            self._cache.move_to_end(text)
            result[text] = self._cache[text]
        while self._cached > _CACHED:
            _, (vectors, _) = self._cache.popitem(last=False)
            self._cached -= vectors.nbytes
        return result

    def _encode_batch(self, texts: list[str]) -> None:
        import torch

        tokenizer, model = self._load()
        layer = self.layer
        if layer is None:
            layer = round(2 / 3 * model.config.num_hidden_layers)
        limits = _MAX_PIECES, tokenizer.model_max_length, n_positions(model)
        pieces = tokenizer(
            [text.strip() for text in texts],
            padding=True,
            truncation=True,
            max_length=min(limits),
            return_tensors="pt",
            return_special_tokens_mask=True,
        )
        special = pieces.pop("special_tokens_mask").bool()
        pieces = pieces.to(model.device)
        with torch.no_grad():
            states = model(**pieces, output_hidden_states=True).hidden_states[layer]
        vectors = torch.nn.functional.normalize(states.float(), dim=2).cpu()
        ids, is_piece = pieces["input_ids"].cpu(), pieces["attention_mask"].cpu().bool()
        for text, v, i, kept, s in zip(
            texts, vectors, ids, is_piece, special, strict=True
        ):
            weights = self._weights(i[kept].tolist())
            weights[s[kept]] = 0.0
            self._cache[text] = v[kept].clone(), weights
            self._cached += self._cache[text][0].nbytes

    def _weights(self, ids: list[int]) -> Any:
        import torch

        if self._idf_texts is None:
            return torch.ones(len(ids))
        if self._idf is None:
            tokenizer, _ = self._load()
            found = tokenizer(self._idf_texts)["input_ids"] if self._idf_texts else []
            n = Counter(piece for of_text in found for piece in set(of_text))
            total = len(self._idf_texts)
            self._idf = {i: log((total + 1) / (count + 1)) for i, count in n.items()}
            self._unseen = log(total + 1)
        return torch.tensor([self._idf.get(i, self._unseen) for i in ids])

    # --- saving ----------------------------------------------------------------------

    def to_disk(self, path: str | Path) -> None:
        """Save the encoder, so that a saved pipeline needs no model hub."""
        tokenizer, model = self._load()
        tokenizer.save_pretrained(path)
        model.save_pretrained(path)

    def from_disk(self, path: str | Path) -> None:
        """Use the saved encoder."""
        self.encoder, self._loaded = str(Path(path).resolve()), None
        self._cache.clear()
        self._cached = 0


def make_bert_score(
    encoder: str,
    layer: int | None = None,
    part: Literal["precision", "recall", "f1"] = "f1",
    idf_corpus: str | None = None,
    batch_size: int = 64,
) -> BertScore:
    """Make the re-ranker, `spacy_knn_ner.BertScore.v1`.

    encoder (str): A transformer: a hub name or a folder, such as the pipeline's own
        before it was fine-tuned.
    layer (int | None): Whose vectors are compared. Default: two thirds up.
    part (str): `"f1"` (default), `"precision"` or `"recall"`.
    idf_corpus (str | None): A file of texts, as for `read_texts`: rare pieces count
        more. Default: all count the same.
    batch_size (int): Texts encoded at once. Default: 64.
    RAISES (KnnNerError): For an invalid setting, a file without texts, or without
        torch.
    """
    texts = None
    if idf_corpus is not None:
        texts = [text for text in read_texts(idf_corpus) if text.strip()]
        if not texts:
            raise KnnNerError(Errors.E024, path=idf_corpus, reason="it has no text")
    return BertScore(encoder, layer, part, texts, batch_size)
