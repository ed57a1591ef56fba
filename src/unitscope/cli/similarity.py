"""The command ``similarity``: how alike images, classes and layers are.

In: the command line. Out: a table or JSON, and a figure where one is asked for.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations, combinations_with_replacement
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unitscope.cli.image_groups import groups_named
from unitscope.cli.options import AtlasArgument, Figure, Json
from unitscope.cli.output import log, print_json, print_table
from unitscope.errors import UnitscopeError
from unitscope.text import count_noun

if TYPE_CHECKING:
    from unitscope.analyses.image_groups import ImageGroup
    from unitscope.analyses.similarity import Similarity, SimilarityByLayer
    from unitscope.atlas import Atlas


def similarity(
    atlas: AtlasArgument,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="A", help="Two or more: image ids, image files, or class:NAME.", show_default=False),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="LAYER", help="The layer to compare at, by name or alias.", show_default=False)
    ] = None,
    clustered: Annotated[bool, typer.Option("--clustered", help="Put like beside like.")] = False,
    nearest: Annotated[
        int | None,
        typer.Option(metavar="N", help="List the N images of the atlas nearest to each A instead.", show_default=False),
    ] = None,
    by_layer: Annotated[
        bool, typer.Option("--by-layer", help="Compare at every layer instead, shallow to deep.")
    ] = False,
    between_layers: Annotated[
        bool,
        typer.Option(
            "--between-layers", help="Compare layers instead, over all images or those of the A (linear CKA)."
        ),
    ] = False,
    output: Figure = None,
    as_json: Json = False,
) -> None:
    """Compare images and classes by a layer's responses: cosines (the paper's algorithm 3 and table 3)."""
    from unitscope.atlas import open_atlas

    asked, given = _asked(nearest, by_layer, between_layers), names or []
    opened = open_atlas(atlas)
    _check(asked, given, layer, clustered=clustered, output=output)
    if between_layers:
        _between_layers(opened, given, output, as_json)
    elif by_layer:
        _by_layer(opened, given, output, as_json)
    elif layer is None:
        raise UnitscopeError(
            f"say at which layer to compare, for example --layer {opened.layers[-1].name}"
            + ("" if asked else ", or compare at every layer with --by-layer")
        )
    elif nearest is not None:
        _nearest(groups_named(opened, given, layer), opened, nearest, as_json)
    else:
        _matrix(groups_named(opened, given, layer), opened, clustered, output, as_json)


def _asked(nearest: int | None, by_layer: bool, between_layers: bool) -> str:
    """The one question that is not the plain one; empty for the plain one."""
    questions = {"--nearest": nearest is not None, "--by-layer": by_layer, "--between-layers": between_layers}
    asked = [option for option, is_asked in questions.items() if is_asked]
    if len(asked) > 1:
        raise UnitscopeError(f"{' and '.join(asked)} are different questions; ask one at a time")
    return asked[0] if asked else ""


def _check(asked: str, names: list[str], layer: str | None, *, clustered: bool, output: Path | None) -> None:
    if asked in ("--by-layer", "--between-layers") and layer is not None:
        raise UnitscopeError(f"{asked} compares at every layer of the atlas; leave --layer {layer} out")
    if asked and clustered:
        raise UnitscopeError(f"--clustered orders the matrix of one layer and does not go with {asked}; leave it out")
    if asked == "--nearest" and output is not None:
        raise UnitscopeError("--nearest is a list and draws no figure; leave -o out")
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise UnitscopeError(f"'{twice[0]}' was given twice; name each image or class once")
    if asked == "--between-layers":
        return
    if not names:
        raise UnitscopeError("there is nothing to compare; name image ids, image files or class:NAME behind the atlas")
    if len(names) == 1 and asked != "--nearest":
        raise UnitscopeError(
            f"'{names[0]}' has nothing to be compared with; name another image or class:NAME, "
            "or ask for the images nearest to it with --nearest 9"
        )


def _matrix(
    subjects: "Sequence[ImageGroup]", opened: "Atlas", clustered: bool, output: Path | None, as_json: bool
) -> None:
    from unitscope.analyses.similarity import clustered_order
    from unitscope.analyses.similarity import similarity as analyse

    found = analyse(subjects)
    if output is not None:
        joined = found.tree if clustered else None
        title = f"Similarity at {found.layer.name} of {opened.manifest.network['reference']}"
        _save("similarity", output, found.matrix, _captions(opened, found.labels), tree=joined, title=title)
    if clustered:
        found = found.ordered(clustered_order(found.matrix))
    _say_undefined(found)
    if as_json:
        print_json(_told(found))
    else:
        _print(found, _labels(opened, found.labels))


def _by_layer(opened: "Atlas", names: list[str], output: Path | None, as_json: bool) -> None:
    from unitscope.analyses.similarity import similarity_by_layer

    found = similarity_by_layer(_at_every_layer(opened, names))
    layers = [layer.name for layer in found.layers]
    if output is not None:
        title = f"Similarity over depth of {opened.manifest.network['reference']}"
        _save("similarity_by_layer", output, found.matrices, layers, names=_captions(opened, names), title=title)
    if as_json:
        told = [{"layer": name, "matrix": each.tolist()} for name, each in zip(layers, found.matrices, strict=True)]
        print_json({"labels": list(found.labels), "layers": told})
    else:
        _print_curves(found, _labels(opened, names))


def _between_layers(opened: "Atlas", names: list[str], output: Path | None, as_json: bool) -> None:
    from unitscope.analyses.cka import cka

    found = cka(opened, names)
    layers = [layer.name for layer in found.layers]
    if output is not None:
        title = f"How alike the layers of {opened.manifest.network['reference']} see images"
        _save("between_layers", output, found.matrix, layers, images=found.images, title=title)
    if as_json:
        print_json({"layers": layers, "images": found.images, "matrix": found.matrix.tolist()})
        return
    title = f"Linear CKA over {count_noun(found.images, 'image')}"
    _print_matrix({"layer": [layer.shown for layer in found.layers]}, found.matrix, title)


def _nearest(subjects: "Sequence[ImageGroup]", opened: "Atlas", count: int, as_json: bool) -> None:
    from unitscope.analyses.nearest_images import nearest_images

    tables = [(subject.name, nearest_images(opened, subject, count)) for subject in subjects]
    if as_json:
        told = [{"subject": name, "images": table.to_dict("records")} for name, table in tables]
        print_json({"layer": subjects[0].layer.name, "nearest": told})
        return
    for name, table in tables:
        rows = table.itertuples(index=False, name=None)
        print_table([str(name) for name in table], rows, title=f"Nearest to {name} at {subjects[0].layer.shown}")


def _at_every_layer(opened: "Atlas", names: list[str]) -> "Iterable[tuple[ImageGroup, ...]]":
    """Files that the atlas lacks are run once for all layers; without any, torch is not needed."""
    if any(Path(name).is_file() for name in names):
        from unitscope.inspection.new_images import image_groups_by_layer

        return image_groups_by_layer(opened, names, opened.layers)
    return (groups_named(opened, names, layer) for layer in opened.layers)


def _save(drawing: str, output: Path, *values: Any, **style: Any) -> None:
    from unitscope import figures

    figures.save(getattr(figures, drawing)(*values, **style), output)
    log(f"drawn: {output}")


def _say_undefined(found: "Similarity") -> None:
    for name, own in zip(found.labels, found.matrix.diagonal(), strict=True):
        if isnan(own):
            log(f"note: '{name}' has no cosine at {found.layer.name}: its responses are all zero, or not numbers")


def _told(found: "Similarity") -> dict[str, Any]:
    told = {
        "layer": found.layer.name,
        "labels": list(found.labels),
        "images": list(found.images),
        "matrix": found.matrix.tolist(),
    }
    if found.pairs is not None:
        told["pairs"] = {name: getattr(found.pairs, name).tolist() for name in ("mean", "std", "count")}
    return told


def _labels(opened: "Atlas", names: Sequence[str]) -> list[str]:
    """What the atlas's images show; empty for what is no image of it, and where there are no labels."""
    rows = [
        None if name.startswith("class:") else opened.images.index[opened.images["image"] == name] for name in names
    ]
    return ["" if row is None or row.empty else ", ".join(opened.images["label_names"][row[0]]) for row in rows]


def _captions(opened: "Atlas", names: Sequence[str]) -> list[str]:
    """Names for a figure: an image's labels, and its file too where others have the same labels."""
    labels = _labels(opened, names)
    often = Counter(labels)
    return [
        (label if often[label] == 1 else f"{label} · {name.rpartition('/')[2]}") if label else name
        for name, label in zip(names, labels, strict=True)
    ]


def _print(found: "Similarity", labels: list[str]) -> None:
    beside = {"image or class": list(found.labels)} | ({"label": labels} if any(labels) else {})
    _print_matrix(beside, found.matrix, f"Cosine similarity at {found.layer.shown}")
    if found.pairs is None:
        return
    rows = [
        (
            found.labels[one],
            found.labels[other],
            *(_two(each[one, other]) for each in (found.matrix, found.pairs.mean, found.pairs.std)),
            int(found.pairs.count[one, other]),
        )
        for one, other in combinations_with_replacement(range(len(found.labels)), 2)
        if max(found.images[one], found.images[other]) > 1
    ]
    columns = ("between", "and", "cosine of means", "mean over pairs", "standard deviation", "pairs")
    print_table(columns, rows, title="Over pairs of images")


def _print_matrix(beside: dict[str, list[str]], matrix: Any, title: str) -> None:
    """Rows have names, columns the rows' numbers, so that long names take one line each."""
    rows = [(n + 1, *(listed[n] for listed in beside.values()), *map(_two, row)) for n, row in enumerate(matrix)]
    print_table(("", *beside, *(f"{n + 1:>5}" for n in range(len(matrix)))), rows, title=title)


def _print_curves(found: "SimilarityByLayer", labels: list[str]) -> None:
    numbered = [(n, name, label) for n, (name, label) in enumerate(zip(found.labels, labels, strict=True), start=1)]
    print_table(("", "image or class", "label"), numbered, title="Compared")
    pairs = list(combinations(range(len(found.labels)), 2))
    rows = [
        (layer.shown, *(_two(matrix[pair]) for pair in pairs))
        for layer, matrix in zip(found.layers, found.matrices, strict=True)
    ]
    print_table(("layer", *(f"{a + 1}–{b + 1}" for a, b in pairs)), rows, title="Cosine similarity by layer")


def _two(value: float) -> str:
    return "    –" if isnan(value) else f"{value:5.2f}"
