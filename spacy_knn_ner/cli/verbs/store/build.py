"""`spacy knn build`"""

from pathlib import Path
from typing import Annotated

import typer

from ....corpora.docbin import DocFile
from ....errors import Errors, KnnNerError
from ...stores import FILES, ReplaceOpt, StoreNameOpt, StoreOpt, store_block
from ...terminal import (
    BatchOpt,
    GpuOpt,
    JsonOpt,
    ModelArg,
    NameOpt,
    RayOpt,
    ViewOpt,
    WorkersOpt,
    clear_errors,
    find_component,
    load_pipeline,
    print_json,
    shows_progress,
)

_WIDTH = 128  # of a projection


@clear_errors
def build(
    model: ModelArg,
    corpus: Annotated[Path, typer.Argument(help="Annotated Docs, a .spacy file.")],
    output: Annotated[Path, typer.Argument(help="Folder for the pipeline.")],
    name: NameOpt = "knn_ner",
    dtype: Annotated[
        str | None, typer.Option(help="Of the keys: float32 or float16.")
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            help="exact, auto, flat, torch, a registered name, or a string for FAISS's "
            "index factory; of a shared store auto, exact or hnsw."
        ),
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(
            help="Of a token's word pieces: mean, first, last, or pieces: each has a "
            "key of its own, as in the paper's published code."
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Of the vectors: transformer, tensor, … (keys.source)."),
    ] = None,
    layer: Annotated[
        int | None, typer.Option(help="Of a transformer, for the keys: −1 is the last.")
    ] = None,
    project: Annotated[
        bool | None,
        typer.Option(
            "--project/--no-project",
            help="Fit a projection to 128 numbers per key by contrast, in seconds: for "
            "encoders that were not trained for entities.",
        ),
    ] = None,
    store: StoreOpt = None,
    store_name: StoreNameOpt = "knn_ner",
    replace: ReplaceOpt = False,
    metric: Annotated[
        str | None, typer.Option(help="cosine, euclidean or sqeuclidean.")
    ] = None,
    batch_size: BatchOpt = 64,
    view: ViewOpt = None,
    ray: RayOpt = None,
    workers: WorkersOpt = None,
    gpu_id: GpuOpt = -1,
    as_json: JsonOpt = False,
) -> None:
    """Fill the store of a trained pipeline with annotated text.

    The component knn_ner (or --name) is added at the end if it is missing: a second
    one has keys and votes of its own. Then tune its settings with spacy knn tune. After
    an interruption the same command goes on with the keys in OUTPUT.cache.

    Example: spacy knn build training/model-best train.spacy model
    """
    from ....components.config_blocks import resolve_block
    from ....components.memory import sharing
    from ....components.memory.pipelines import save_pipeline
    from ....evaluation.report import describe
    from ....reading.cache import EncodingCache
    from ....reading.vectors import keep_hidden_layers
    from ....registry import index_block

    # With a cluster, its workers encode.
    nlp = load_pipeline(model, gpu_id if ray is None else -1, view)
    if name not in nlp.component_names:
        nlp.add_pipe("knn_ner", name=name)
    knn = find_component(nlp, name)
    keys = {"source": source, "layer": layer, "pooling": pooling, "dtype": dtype}
    knn.set_settings(keys={k: value for k, value in keys.items() if value is not None})
    if layer not in (None, -1):
        keep_hidden_layers(knn.memory.encoder.find().model)
    if project is not None and project != bool(knn.keys.projection):
        knn.set_settings(keys={"projection": _WIDTH if project else None})
    if metric is not None:
        knn.set_settings(metric=metric)
    if store is not None and store != FILES:
        block = store_block(store, store_name, index)
        sharing.check_free(resolve_block(name, "store", block), replaces=replace)
        knn.set_settings(store=block)
    elif index is not None:
        knn.set_settings(index=index_block(index))
    docs = DocFile(corpus, nlp.vocab)
    cache = output.resolve().with_name(f"{output.resolve().name}.cache")
    if cache.exists() and not as_json:
        typer.echo(f"Using the keys in {cache}.")
    if ray is not None:
        from ....cluster.encoding import fill_cache

        fill_cache(
            knn,
            docs,
            EncodingCache(cache, knn.memory.encoder),
            ray,
            batch_size=batch_size,
            workers=workers,
            on_gpu=gpu_id >= 0,
            show_progress=shows_progress(as_json),
        )
    knn.build(
        docs, batch_size=batch_size, show_progress=shows_progress(as_json), cache=cache
    )
    encodings = EncodingCache(cache, knn.memory.encoder)
    if not len(knn.datastore.store):
        encodings.remove()
        raise KnnNerError(Errors.E066, path=corpus)
    save_pipeline(nlp, output)
    encodings.remove()
    found = describe(knn)
    if as_json:
        print_json({"output": str(output), **found})
    else:
        about = found["datastore"]
        typer.echo(
            f"{output}: {about['store']:,} entries from {len(docs):,} examples, "
            f"{about['width']} × {about['dtype']}"
        )
