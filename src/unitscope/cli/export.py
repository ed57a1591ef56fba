"""The command ``export``: the explorer as a static site.

In: the command line. Out: a folder of pages; JSON on stdout; progress on stderr.
"""

from pathlib import Path
from typing import Annotated

import typer

from unitscope.cli.options import AtlasArgument, AtlasNetwork, Device, ImageRoot, Json, Preprocess, Seed, Weights
from unitscope.cli.output import log, print_json
from unitscope.cli.serve import MeasurementsOption, check_web, lazy_inspector, make_explorer
from unitscope.errors import UnitscopeError
from unitscope.files import explain_write_errors
from unitscope.progress import terminal_bar
from unitscope.text import byte_count

OLD_OPTIONS = {"--layers": "--layer", "--results": "--measurements", "--images": "--image-root"}


def export(
    atlas: AtlasArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write to.", show_default=False)],
    layers: Annotated[
        list[str] | None,
        typer.Option("--layer", metavar="PATTERN", help="Only these layers; may be repeated.", show_default="all"),
    ] = None,
    no_images: Annotated[
        bool, typer.Option("--no-images", help="Leave out images, and show ids and activation maps only.")
    ] = False,
    no_network: Annotated[
        bool, typer.Option("--no-network", help="Leave out activation maps, so that no network is needed.")
    ] = False,
    network: AtlasNetwork = None,
    measurements: MeasurementsOption = None,
    image_root: ImageRoot = None,
    weights: Weights = None,
    seed: Seed = None,
    preprocess: Preprocess = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Write the explorer's pages as files, to open without a server or to put on any web host."""
    check_web()
    from unitscope.atlas import open_atlas
    from unitscope.web.static_export import StaticSite

    opened = open_atlas(atlas)
    explorer, pictures = make_explorer(opened, measurements or [], image_root)
    chosen = tuple(opened.layers.match(layers)) if layers else tuple(opened.layers)
    site = StaticSite(explorer, pictures, chosen, images=not no_images, maps=not no_network)
    arguments = {"weights": weights, "seed": seed, "preprocess": preprocess}
    inspector = lazy_inspector(opened, network, no_network, arguments, device)
    site.check(folder)
    log(f"{site.pages:,} pages, about {byte_count(site.bytes)}, into '{folder}'")
    if site.maps and inspector.missing:
        raise UnitscopeError(f"activation maps can't be made. {inspector.missing} Or omit them with --no-network")
    with terminal_bar("writing", site.steps) as on_batch, explain_write_errors(folder, size=site.bytes):
        site.write(folder, inspector, on_batch=on_batch)
    written = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if as_json:
        print_json({"site": str(folder), "pages": site.pages, "bytes": written})
    else:
        log(f"{byte_count(written)} written; open {folder / 'index.html'}")
