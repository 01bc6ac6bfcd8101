"""`spacy knn compress`"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ....corpora.docbin import read_docs
from ...terminal import (
    CacheOpt,
    DevArg,
    GpuOpt,
    JsonOpt,
    ModelArg,
    NameOpt,
    clear_errors,
    find_component,
    load_pipeline,
    print_json,
    print_table,
    shows_progress,
)


@clear_errors
def compress(
    model: ModelArg,
    dev: DevArg,
    output: Annotated[Path, typer.Argument(help="Folder for the smaller pipeline.")],
    name: NameOpt = "knn_ner",
    merge: Annotated[
        bool, typer.Option(help="Equal keys with equal tags become one entry.")
    ] = True,
    prune: Annotated[
        float | None,
        typer.Option(help="Keep this share of entries that are redundant."),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Of the keys: float32 or float16.")
    ] = None,
    index: Annotated[
        str,
        typer.Option(help='The index: "codes" (of 32 bytes), or as for build.'),
    ] = "codes",
    max_loss: Annotated[
        float, typer.Option(help="Maximum loss of F1 on dev, in points.")
    ] = 0.1,
    min_fidelity: Annotated[
        float,
        typer.Option(help="Minimum share of equal tags on dev, of those changed."),
    ] = 0.95,
    cache: CacheOpt = None,
    gpu_id: GpuOpt = -1,
    as_json: JsonOpt = False,
) -> None:
    """Make the store smaller, and measure the cost on development data.

    Prints for each step: entries, bytes per original entry (in memory for searches; and
    of keys on disk), F1, and fidelity: of the tags that the original store changes, the
    share that is still the same.

    Example: spacy knn compress tuned-model dev.spacy small-model
    """
    from ....components import compressing
    from ....components.memory.pipelines import save_pipeline
    from ....evaluation.compression_cost import CompressionReport, small_codes
    from ....registry import index_block

    nlp = load_pipeline(model, gpu_id)
    knn = find_component(nlp, name)
    docs, shown = read_docs(dev, nlp.vocab), shows_progress(as_json)
    compressed = CompressionReport(knn, docs, cache=cache, show_progress=shown)

    def measure(step: str, search_longer: bool = False) -> None:
        knn.make_index()
        compressed.measure(step)
        if search_longer:
            compressed.search_longer(max_loss, min_fidelity)
        compressed.check(max_loss, min_fidelity)

    try:
        if merge:
            compressing.merge(knn)
            measure("merge")
        if prune is not None:
            compressing.prune(knn, prune, show_progress=shown)
            measure(f"prune {prune:g}")
        if dtype is not None:
            compressing.convert_keys(knn, dtype)
            measure(dtype)
        if knn.k is not None:
            if index == "codes":
                store = knn.datastore.store
                index = small_codes(len(store), store.width)
            knn.set_settings(index=index_block(index))
            measure(index, search_longer=True)
        elif shown:
            typer.echo("No index: with k = null every key is compared.")
    finally:
        if shown:
            print_table(*_table(compressed.steps))
    save_pipeline(nlp, output)
    if as_json:
        steps = [asdict(step) for step in compressed.steps]
        print_json({"output": str(output), "steps": steps})
    else:
        typer.echo(f"{output}: {compressed.steps[-1].resident:.0f} bytes per entry")


def _table(steps: list[Any]) -> tuple[list[tuple[Any, ...]], tuple[str, ...]]:
    from ....evaluation.metrics import percent

    rows = [
        (
            step.step,
            f"{step.entries:,}",
            f"{step.resident:.1f}",
            f"{step.on_disk:.0f}",
            percent(step.f1),
            percent(step.fidelity),
            f"{step.changed:,}",
        )
        for step in steps
    ]
    header = ("step", "entries", "in memory", "on disk", "F1", "fidelity", "of")
    return rows, header
