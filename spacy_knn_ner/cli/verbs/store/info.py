"""`spacy knn info`"""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from ...terminal import (
    JsonOpt,
    ModelArg,
    NameOpt,
    clear_errors,
    find_component,
    load_pipeline,
    print_json,
    print_table,
)


@clear_errors
def info(
    model: ModelArg,
    name: NameOpt = "knn_ner",
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Compare every file's SHA-256, or what a database has; measure the "
            "index again.",
        ),
    ] = False,
    as_json: JsonOpt = False,
) -> None:
    """Show a pipeline's datastore and settings.

    Example: spacy knn info model --check
    """
    from ....evaluation.card import flat
    from ....evaluation.report import describe

    nlp = load_pipeline(model)
    knn = find_component(nlp, name)
    fidelity = None
    if check:
        knn.datastore.verify()
        knn.memory.encoder.check(knn.datastore)
        fidelity = knn.retriever.measure_fidelity()  # makes the index, if needed
    found = describe(knn)
    if check:
        found["checked"] = {"fidelity": None if fidelity is None else asdict(fidelity)}
    if as_json:
        print_json(found)
        return
    store = found["datastore"]
    rows = [
        ("pipeline", f"{found['name']} {found['version']}"),
        ("components", ", ".join(found["pipeline"])),
        ("store", f"{store['store']:,} entries"),
        ("corrections", f"{store['corrections']:,} entries"),
        ("examples", f"{store['examples']:,}"),
        ("keys", f"{store['width']} × {store['dtype']}, {store['key_bytes']:,} bytes"),
        ("tags", f"{store['tag_scheme']} over {', '.join(store['labels'])}"),
    ]
    rows += [("view", store["view"])] if store["view"] else []
    rows += [("index", _listed(store["index"]))] if store["index"] else []
    settings = {**flat(found["settings"]), **found["calibration"]}
    rows += [(k, "null" if v is None else v) for k, v in settings.items()]
    print_table(rows, ("", ""), n_left=2)
    if check:
        is_shared = knn.memory.place.is_shared
        each = "Every entry has an example, a tag and a key."
        typer.echo(each if is_shared else "All checksums match.")
        typer.echo("The keys are of this encoder.")
        if fidelity is not None and fidelity.share is not None:
            typer.echo(
                f"Of {fidelity.changed} tags that exact search changes, the index "
                f"gives {fidelity.share:.1%}."
            )


def _listed(index: dict[str, Any]) -> str:
    """The index in one line."""
    parts = [str(index["kind"])]
    parts += [
        f"{name} {index[name]}"
        for name in ("components", "search_param")
        if index.get(name)
    ]
    fidelity = index.get("fidelity")
    if fidelity and fidelity["share"] is not None:
        parts.append(f"fidelity {fidelity['share']:.1%} of {fidelity['changed']}")
    return ", ".join(parts)
