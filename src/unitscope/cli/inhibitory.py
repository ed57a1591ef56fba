"""The command ``inhibitory``: units that are dark on a concept and bright elsewhere, or that lower a class's logit.

In: the command line. Out: tables or JSON, and optionally a figure; progress on stderr.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unitscope.cli.options import (
    AtlasArgument,
    AtlasNetwork,
    BatchSize,
    Device,
    Figure,
    FigureTitle,
    FigureWidth,
    ImageRoot,
    Json,
)
from unitscope.cli.output import FigureFile, emit, log
from unitscope.errors import UnitscopeError
from unitscope.progress import terminal_bar
from unitscope.text import count_noun

if TYPE_CHECKING:
    from unitscope.analyses.inhibition import Inhibition
    from unitscope.atlas import Atlas
    from unitscope.display.inhibition_sheet import InhibitionSheet
    from unitscope.engine.session import Session

OLD_OPTIONS = {"--top": "--rows", "--removal": "--ablate-each", "--logit": "--target-class", "--images": "--image-root"}


def inhibitory(
    atlas: AtlasArgument,
    layer: Annotated[str, typer.Option(metavar="LAYER", help="The layer of the units.")],
    class_name: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="Units that respond less to this class's images.")
    ] = None,
    category: Annotated[
        str | None, typer.Option(metavar="NAME", help="Units whose maps are dark on the objects of this COCO category.")
    ] = None,
    ablate_each: Annotated[
        bool, typer.Option("--ablate-each", help="Also remove each unit, alone, and measure how the logit changes.")
    ] = False,
    target_class: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS", help="The network's class whose logit --ablate-each measures.", show_default="NAME"
        ),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Units listed.")] = 20,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use this many of the images with the class or category, evenly spaced.")
    ] = None,
    output: Figure = None,
    width: FigureWidth = None,
    title: FigureTitle = None,
    batch_size: BatchSize = None,
    device: Device = "cpu",
    network: AtlasNetwork = None,
    image_root: ImageRoot = None,
    as_json: Json = False,
) -> None:
    """Find units dark on a concept and bright elsewhere, or that lower a class's logit (the paper's figure 3)."""
    figure = FigureFile.of(output, width, title)
    from unitscope.analyses.class_contrast import class_inhibition
    from unitscope.atlas import open_atlas

    if class_name is None and category is None:
        raise UnitscopeError("no concept was given; give --class NAME, or --category NAME for COCO's images")
    if class_name is not None and category is not None:
        raise UnitscopeError("--class and --category are different tests; give one of them")
    opened = open_atlas(atlas)
    job = _Job(
        opened,
        layer,
        ablate_each or target_class is not None,
        target_class,
        network,
        image_root,
        batch_size,
        device,
        limit,
    )
    found = None if class_name is None else class_inhibition(opened, layer, class_name)
    if found is not None:
        _note_images(found)
    if found is None or job.removal:
        found = _run(job, found or category or "")
    whole = found

    def sheet() -> "InhibitionSheet":
        from unitscope.inspection.inhibition import inhibition_sheet

        return inhibition_sheet(opened, whole, network=job.session, image_root=image_root)

    emit(found.head(rows), as_json=as_json, output=figure, sheet=sheet)


def _note_images(found: "Inhibition") -> None:
    """Say which images were not compared."""
    from unitscope.analyses.class_contrast import MAX_IMAGES

    if found.left_out:
        log(f"note: left out {count_noun(found.left_out, 'near-duplicate')} among the images of '{found.concept}'")
    if found.others < (found.others_in_atlas or 0):
        log(
            f"note: compared with {found.others:,} of {found.others_in_atlas:,} other images: "
            f"at most {MAX_IMAGES:,} at random, without near-duplicates"
        )


@dataclass(frozen=True)
class _Job:
    """The part that needs the network, and so torch: maps on a category, and removal."""

    atlas: "Atlas"
    layer: str
    removal: bool
    logit: str | None
    network: str | None
    image_root: str | None
    batch_size: int | None
    device: str
    limit: int | None

    @cached_property
    def session(self) -> "Session":
        """The atlas's network, loaded once, also for the figure."""
        from unitscope.scanning.atlas_network import session_of

        return session_of(self.atlas, self.network, device=self.device, batch_size=self.batch_size)


def _run(job: _Job, concept: "Inhibition | str") -> "Inhibition":
    """Run the images for a category, or continue from the result for a class."""
    from unitscope.experiments.inhibition import find_network_class, inhibition_by_removal
    from unitscope.experiments.run_options import RunOptions

    options = RunOptions(job.batch_size, job.device, job.limit, terminal_bar)
    name = job.logit or (concept if isinstance(concept, str) else None)
    if job.removal and name:
        find_network_class(job.session.network, name)  # fail before running the images
    where: dict[str, Any] = {"network": job.session, "image_root": job.image_root, "options": options}
    found = _on_category(job, concept, where) if isinstance(concept, str) else concept
    if job.removal:
        found = inhibition_by_removal(job.atlas, found, class_name=job.logit or "", **where)
    return found


def _on_category(job: _Job, category: str, where: dict[str, Any]) -> "Inhibition":
    from unitscope.experiments.inhibition import category_inhibition

    found = category_inhibition(job.atlas, job.layer, category, **where)
    if not found.others:
        log(
            f"note: too few images without '{found.concept}' to measure "
            "the effect of the object's position in the image"
        )
    if found.left_out:
        left_out = count_noun(found.left_out, "image")
        log(
            f"note: left out {left_out}: near-duplicates, objects without an outline, "
            f"or too little of '{found.concept}' or background in view"
        )
    return found
