"""What tests of retrieval share."""

import spacy

from spacy_knn_ner.registry import knn_engines
from spacy_knn_ner.retrieval.engines.function import FunctionEngine
from spacy_knn_ner.retrieval.find import Finder
from spacy_knn_ner.retrieval.known_texts import KnownTexts

TEXTS = [
    "Ada Lovelace wrote the first program for Babbage's engine.",
    "London is the capital of England.",
    "我住在北京，喜欢吃面条。",
    "The capital of France is Paris.",
    "Program: a plan of events.",
]


def finder(engine, reranker=None, known=(), **settings):
    texts = KnownTexts()
    texts.add(known)
    numbers = {"n_results": 20, "n_contexts": 3, "max_query_words": 30, **settings}
    return Finder(engine, reranker, texts, **numbers)


def find(made, sentences):
    """The contexts of sentences, as the component finds them."""
    return made.rank(sentences, made.search(sentences))


def returning(*texts):
    return FunctionEngine(lambda query, n: texts)


def pipeline(engine, **settings):
    nlp = spacy.blank("en")
    name = f"test.{id(engine)}.v1"
    knn_engines.register(name, func=lambda: engine)
    nlp.add_pipe(
        "context_retriever", config={"engine": {"@knn_engines": name}, **settings}
    )
    return nlp
