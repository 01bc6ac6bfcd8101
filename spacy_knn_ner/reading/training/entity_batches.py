"""Batches by their entities: contrast needs several tokens of each type at once."""

from collections.abc import Callable, Iterable, Iterator

from spacy.training import Example

Batcher = Callable[[Iterable[Example]], Iterator[list[Example]]]


def make_batcher(size: int = 64, max_docs: int = 64) -> Batcher:
    """Make a batcher, `spacy_knn_ner.batch_by_entities.v1`.

    size (int): A batch is complete with so many tokens in entities. Default: 64.
    max_docs (int): Or with so many Docs. Default: 64.
    RETURNS (Callable[[Iterable[Example]], Iterator[list[Example]]]): For
        `[training.batcher]`. A last batch without entities is left out.
    """

    def batches(examples: Iterable[Example]) -> Iterator[list[Example]]:
        batch: list[Example] = []
        n_tokens = 0
        for example in examples:
            batch.append(example)
            n_tokens += sum(map(len, example.reference.ents))
            if n_tokens >= size or len(batch) >= max_docs:
                yield batch
                batch, n_tokens = [], 0
        if n_tokens:
            yield batch

    return batches
