"""The command ``similarity``: similarity of images, classes and layers.

In: the command line. Out: a table or JSON, and a figure with ``-o``.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING, Annotated

import typer

from unitscope.cli.image_groups import groups_by_layer, groups_named
from unitscope.cli.options import AtlasArgument, AtlasNetwork, Figure, FigureTitle, FigureWidth, Json
from unitscope.cli.output import FigureFile, emit, log
from unitscope.errors import UnitscopeError

if TYPE_CHECKING:
    from unitscope.analyses.image_groups import ImageGroup
    from unitscope.analyses.similarity import Similarity
    from unitscope.analyses.similarity_by_layer import SimilarityByLayer
    from unitscope.atlas import Atlas
    from unitscope.results import Result


def similarity(
    atlas: AtlasArgument,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="A", help="Two or more: image ids, image files, class:NAME or @NAME.", show_default=False
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(metavar="LAYER", help="The layer of the responses, by name or alias.", show_default=False),
    ] = None,
    clustered: Annotated[bool, typer.Option("--clustered", help="Order the matrix by similarity.")] = False,
    nearest: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="List the N most similar images of the atlas for each A instead.", show_default=False
        ),
    ] = None,
    by_layer: Annotated[
        bool, typer.Option("--by-layer", help="Compare at every layer instead, shallow to deep.")
    ] = False,
    between_layers: Annotated[
        bool,
        typer.Option(
            "--between-layers", help="Compare layers instead, over all images or those given as A (linear CKA)."
        ),
    ] = False,
    biased: Annotated[
        bool, typer.Option("--biased", help="With --between-layers: the biased estimator, as in older papers.")
    ] = False,
    output: Figure = None,
    width: FigureWidth = None,
    title: FigureTitle = None,
    network: AtlasNetwork = None,
    as_json: Json = False,
) -> None:
    """Compare images and classes by a layer's responses: cosines (the paper's algorithm 3 and table 3)."""
    figure = FigureFile.of(output, width, title)
    from unitscope.atlas import open_atlas

    analysis, given = _analysis(nearest, by_layer, between_layers), names or []
    if biased and not between_layers:
        raise UnitscopeError("--biased chooses the estimator of linear CKA; give it with --between-layers")
    opened = open_atlas(atlas)
    _check(analysis, given, layer, clustered=clustered)
    found = (
        _between_layers(opened, given, biased=biased)
        if between_layers
        else _find(opened, given, layer, analysis=analysis, nearest=nearest, clustered=clustered, network=network)
    )
    emit(found, as_json=as_json, output=figure)


def _between_layers(opened: "Atlas", names: list[str], *, biased: bool) -> "Result":
    from unitscope.analyses.cka import cka

    return cka(opened, names, debiased=not biased)


def _find(
    opened: "Atlas",
    names: list[str],
    layer: str | None,
    *,
    analysis: str,
    nearest: int | None,
    clustered: bool,
    network: str | None,
) -> "Result":
    from unitscope.analyses.nearest_images import nearest_images

    if analysis == "--by-layer":
        return _by_layer(opened, names, network)
    if layer is None:
        raise typer.BadParameter(
            f"no layer was given; give one, for example --layer {opened.layers[-1].name}"
            + ("" if analysis else ", or compare at every layer with --by-layer")
        )
    groups = groups_named(opened, names, layer, network=network)
    return _matrix(groups, opened, clustered=clustered) if nearest is None else nearest_images(opened, groups, nearest)


def _analysis(nearest: int | None, by_layer: bool, between_layers: bool) -> str:
    """Return the option that selects another analysis; empty for the default."""
    options = {"--nearest": nearest is not None, "--by-layer": by_layer, "--between-layers": between_layers}
    given = [option for option, is_given in options.items() if is_given]
    if len(given) > 1:
        raise UnitscopeError(f"{' and '.join(given)} are different analyses; give one of them")
    return given[0] if given else ""


def _check(analysis: str, names: list[str], layer: str | None, *, clustered: bool) -> None:
    from unitscope.analyses.image_groups import check_distinct

    if analysis in ("--by-layer", "--between-layers") and layer is not None:
        raise UnitscopeError(f"{analysis} compares at every layer of the atlas; omit --layer {layer}")
    if analysis and clustered:
        raise UnitscopeError(
            f"--clustered orders the matrix of one layer and can't be combined with {analysis}; omit it"
        )
    check_distinct(names)
    if analysis == "--between-layers":
        return
    if not names:
        raise UnitscopeError("no images were given; give image ids, image files or class:NAME after the atlas")
    if len(names) == 1 and analysis != "--nearest":
        raise UnitscopeError(
            f"only '{names[0]}' was given; give another image or class:NAME, or list the most similar images with "
            "--nearest 9"
        )


def _matrix(groups: "Sequence[ImageGroup]", opened: "Atlas", *, clustered: bool) -> "Similarity":
    from unitscope.analyses.similarity import labels_shown
    from unitscope.analyses.similarity import similarity as analyse

    found = replace(analyse(groups), network=opened.manifest.network_name)
    found = replace(found, shows=labels_shown(opened, found.labels))
    for name, own in zip(found.labels, found.matrix.diagonal(), strict=True):
        if isnan(own):
            log(f"note: '{name}' has no cosine at {found.layer.name}: its responses are all zero or not finite")
    return found.cluster() if clustered else found


def _by_layer(opened: "Atlas", names: list[str], network: str | None) -> "SimilarityByLayer":
    from unitscope.analyses.similarity import labels_shown
    from unitscope.analyses.similarity_by_layer import similarity_by_layer

    found = similarity_by_layer(groups_by_layer(opened, names, network))
    return replace(found, network=opened.manifest.network_name, shows=labels_shown(opened, names))
