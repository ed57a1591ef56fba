"""The commands ``serve`` and ``export``: the explorer, live or as a static site.

In: the command line. Out: a server that runs until it is stopped, or a folder of pages.
"""

import importlib.util
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unitscope.cli.options import AtlasArgument, Device, Json, MovedImages, Preprocess, Seed, Weights
from unitscope.cli.output import log, print_json, size
from unitscope.cli.progress import counted
from unitscope.errors import UnitscopeError
from unitscope.plugins import file_in

if TYPE_CHECKING:
    from unitscope.atlas import Atlas
    from unitscope.inspection.inspector import Inspector
    from unitscope.web.image_files import ImageFiles
    from unitscope.web.lazy_session import LazySession
    from unitscope.web.page_renderer import PageRenderer

NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--network",
        metavar="NETWORK",
        help="The network of the atlas, where it can't be loaded by the name it has there, or is a file of yours.",
    ),
]
ResultsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--results", metavar="FILE", help="What `ablate --json` or `perturb --json` printed; may be repeated."
    ),
]


def serve(
    atlas: AtlasArgument,
    network: NetworkOption = None,
    no_network: Annotated[bool, typer.Option("--no-network", help="Only pages that need none.")] = False,
    results: ResultsOption = None,
    images: MovedImages = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8008,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Answer under this name too; may be repeated.")
    ] = None,
    weights: Weights = None,
    seed: Seed = None,
    preprocess: Preprocess = None,
    device: Device = "cpu",
) -> None:
    """Show an atlas in the browser: layers, units, images, classes, a lab, the camera."""
    _need_web()
    from unitscope.atlas import open_atlas
    from unitscope.web.app import create_app
    from unitscope.web.security import LOCAL
    from unitscope.web.server import listen, server

    opened = open_atlas(atlas)
    explorer, pictures = _explorer(opened, results or [], images)
    arguments = {"weights": weights, "seed": seed, "preprocess": preprocess}
    session = _session(opened, network, no_network, arguments, device)
    hosts = LOCAL | {_shown(name).lower() for name in (host, *(allow_host or ()))}
    threading.Thread(target=_warm_up, args=(session,), daemon=True).start()
    app = create_app(explorer, pictures, session, hosts=frozenset(hosts))
    listening = listen(host, port)
    log(f"{opened.path} at http://{_shown(host)}:{listening.getsockname()[1]} (Ctrl-C stops)")
    server(app).run(sockets=[listening])


def export(
    atlas: AtlasArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.", show_default=False)],
    layers: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Only these layers; may be repeated. [all]")
    ] = None,
    no_images: Annotated[
        bool, typer.Option("--no-images", help="No pictures of the images: only ids and activation maps.")
    ] = False,
    no_network: Annotated[bool, typer.Option("--no-network", help="No activation maps, so no network is run.")] = False,
    network: NetworkOption = None,
    results: ResultsOption = None,
    images: MovedImages = None,
    weights: Weights = None,
    seed: Seed = None,
    preprocess: Preprocess = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Write the explorer's pages as files, to be opened from disk or put on any web host."""
    _need_web()
    from unitscope.atlas import open_atlas
    from unitscope.web.static_export import StaticSite

    opened = open_atlas(atlas)
    explorer, pictures = _explorer(opened, results or [], images)
    chosen = tuple(opened.layers.match(layers)) if layers else tuple(opened.layers)
    site = StaticSite(explorer, pictures, chosen, images=not no_images, maps=not no_network)
    arguments = {"weights": weights, "seed": seed, "preprocess": preprocess}
    session = _session(opened, network, no_network, arguments, device)
    site.check(folder)
    log(f"{site.pages:,} pages, about {size(site.bytes)}, into '{folder}'")
    if site.maps and session.missing:
        raise UnitscopeError(f"no activation maps: {session.missing} Or leave them out with --no-network")
    with counted("steps", site.steps) as on_batch:
        site.write(folder, session, on_batch=on_batch)
    taken = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if as_json:
        print_json({"site": str(folder), "pages": site.pages, "bytes": taken})
    else:
        log(f"{size(taken)} written; open {folder / 'index.html'}")


def _session(
    atlas: "Atlas", network: str | None, no_network: bool, arguments: dict[str, str | int | None], device: str
) -> "LazySession":
    """The network, loaded beside the server; or why there is none."""
    from unitscope.web.lazy_session import LazySession

    def without(reason: str) -> LazySession:
        return LazySession(missing=reason)

    if no_network and network is not None:
        raise UnitscopeError("--network names a network and --no-network asks for none; give one of them")
    if no_network:
        return without("The explorer was started with --no-network; start it without.")
    if not all(importlib.util.find_spec(package) for package in ("torch", "torchvision")):
        return without("PyTorch is not installed; `pip install torch torchvision`, then start the explorer again.")
    source = str((atlas.manifest.network["source"] or {}).get("network", ""))
    if network is None and not source:
        return without("The atlas was made from a module given in Python; name a file that makes it with --network.")
    if network is None and file_in(source):
        return without(f"The atlas names a file that may run code; if you trust it, start with --network '{source}'.")

    def made() -> "Inspector":
        from unitscope.engine.session import Session
        from unitscope.inspection.inspector import Inspector
        from unitscope.networks import load
        from unitscope.scanning.atlas_network import network_of

        given = None if network is None else load(network, **arguments)  # type: ignore[arg-type]
        session = Session(network_of(atlas, given), device=device)
        return Inspector(session, session.layers.match(layer.name for layer in atlas.layers))

    return LazySession(made)


def _warm_up(session: "LazySession") -> None:
    """Load the network beside the server, and say so if that fails."""
    known = session.missing
    session.load()
    if session.missing != known:
        log(f"note: pages that need the network can't work: {session.missing}")


def _explorer(atlas: "Atlas", results: list[Path], images: str | None) -> "tuple[PageRenderer, ImageFiles]":
    from unitscope.web.atlas_cache import AtlasCache
    from unitscope.web.cache import Cache, cache_folder
    from unitscope.web.image_files import ImageFiles
    from unitscope.web.measurements import Measurements
    from unitscope.web.page_renderer import PageRenderer

    shelf = AtlasCache(atlas)
    root = Path(images) if images is not None else atlas.root
    if images is not None and not root.is_dir():
        raise UnitscopeError(f"no folder '{root}'; give the one that holds the images with --images")
    key = f"{atlas.manifest.to_json()} {root.resolve()}"  # another scan, or images elsewhere: other pictures
    network, data = atlas.manifest.network["reference"], atlas.manifest.images.get("fingerprint", "")
    measured = Measurements.read(results, network=network, data=data)
    return PageRenderer(shelf, measured), ImageFiles(shelf, root, Cache(cache_folder(key)))


def _need_web() -> None:
    for package in ("fastapi", "uvicorn", "plotly", "multipart", "websockets"):
        if importlib.util.find_spec(package) is None:
            raise UnitscopeError(f"the explorer needs {package}; run `pip install 'unitscope[web]'`")


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
