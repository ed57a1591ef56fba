"""The command ``serve``: the explorer in the browser. Also functions that ``export`` uses.

In: the command line. Out: a web server that runs until it is stopped.
"""

import importlib.util
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from unitscope.cli.options import AtlasArgument, AtlasNetwork, Device, ImageRoot, Preprocess, Seed, Weights
from unitscope.cli.output import log
from unitscope.errors import UnitscopeError
from unitscope.files import private_folder

if TYPE_CHECKING:
    from unitscope.atlas import Atlas
    from unitscope.inspection.inspector import Inspector
    from unitscope.web.image_files import ImageFiles
    from unitscope.web.lazy_inspector import LazyInspector
    from unitscope.web.page_renderer import PageRenderer

MeasurementsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--measurements",
        metavar="FILE",
        help="A result to show, saved from a command's --json output; may be repeated.",
    ),
]


OLD_OPTIONS = {"--results": "--measurements", "--images": "--image-root"}


def serve(
    atlas: AtlasArgument,
    network: AtlasNetwork = None,
    no_network: Annotated[bool, typer.Option("--no-network", help="Show only pages that need no network.")] = False,
    measurements: MeasurementsOption = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Show notes, but let nobody change them.")] = False,
    image_root: ImageRoot = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any free port.")] = 8008,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another host name under which the server may be reached; may be repeated."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", help="The path that a proxy serves, such as /atlas or /user/ada/proxy/8008.")
    ] = "",
    proxy_headers: Annotated[
        bool,
        typer.Option(
            "--proxy-headers",
            help="Believe X-Forwarded-Host and X-Forwarded-Prefix, if only a proxy that sets them reaches the port.",
        ),
    ] = False,
    weights: Weights = None,
    seed: Seed = None,
    preprocess: Preprocess = None,
    device: Device = "cpu",
) -> None:
    """Show an atlas in the browser: layers, units, images, classes, a lab, a live view."""
    check_web()
    from unitscope.atlas import open_atlas
    from unitscope.web.app import create_app
    from unitscope.web.proxy import Proxy, parse_root_path
    from unitscope.web.security import LOCAL, host_name
    from unitscope.web.server import listen, server

    proxy = Proxy(parse_root_path(root_path), proxy_headers)
    opened = open_atlas(atlas)
    locked = "the explorer was started with --read-only" if read_only else ""
    explorer, pictures = make_explorer(opened, measurements or [], image_root, locked=locked)
    arguments = {"weights": weights, "seed": seed, "preprocess": preprocess}
    inspector = lazy_inspector(opened, network, no_network, arguments, device)
    hosts = LOCAL | {host_name(name) for name in (host, *(allow_host or ()))}
    app = create_app(explorer, pictures, inspector, hosts=hosts, proxy=proxy)
    listening = listen(host, port)
    threading.Thread(target=_warm_up, args=(inspector,), daemon=True).start()
    address = f"http://{host_name(host)}:{listening.getsockname()[1]}"
    log(f"{opened.path} at {address}{quote(proxy.root_path)} (press Ctrl-C to stop)")
    server(app).run(sockets=[listening])


def lazy_inspector(
    atlas: "Atlas", network: str | None, no_network: bool, arguments: dict[str, str | int | None], device: str
) -> "LazyInspector":
    """Return the inspector, whose network is loaded in the background, or the reason why there is none."""
    from unitscope.atlas.network_source import reason_to_ask
    from unitscope.web.lazy_inspector import LazyInspector

    def without(reason: str) -> LazyInspector:
        return LazyInspector(missing=reason)

    if no_network and network is not None:
        raise UnitscopeError("--network and --no-network contradict each other; give one of them")
    if no_network:
        return without("The explorer was started with --no-network; start it without this option.")
    if not all(importlib.util.find_spec(package) for package in ("torch", "torchvision")):
        return without("PyTorch is not installed; `pip install torch torchvision`, then start the explorer again.")
    if network is None and (reason := reason_to_ask(atlas)):
        return without(reason)

    def made() -> "Inspector":
        from unitscope.engine.session import Session
        from unitscope.inspection.inspector import Inspector
        from unitscope.scanning.atlas_network import network_of, session_of

        session = session_of(atlas, Session(network_of(atlas, network, **arguments), device=device))
        return Inspector(session, session.layers.match(layer.name for layer in atlas.layers))

    return LazyInspector(made)


def _warm_up(inspector: "LazyInspector") -> None:
    """Load the network while the server runs; print a note if that fails."""
    known = inspector.missing
    inspector.load()
    if inspector.missing != known:
        log(f"note: pages that need the network don't work: {inspector.missing}")


def make_explorer(
    atlas: "Atlas", files: list[Path], image_root: str | None, *, locked: str = ""
) -> "tuple[PageRenderer, ImageFiles]":
    """Return the renderer of the explorer's pages, and its image files; `locked` is why notes can't be changed."""
    from unitscope.atlas.notes_file import NotesFile
    from unitscope.web.atlas_cache import AtlasCache
    from unitscope.web.cache import Cache
    from unitscope.web.image_files import ImageFiles
    from unitscope.web.measurements import Measurements
    from unitscope.web.page_renderer import PageRenderer

    atlas_cache = AtlasCache(atlas)
    source = atlas.source(image_root)
    if image_root is not None and not source.can_open(image_root):
        raise UnitscopeError(f"no folder '{image_root}'; give the folder of the images with --image-root")
    key = f"{atlas.manifest.to_json()} {source.address}"  # another scan or folder needs other thumbnails
    network, data = atlas.manifest.network_name, atlas.manifest.images.get("fingerprint", "")
    reference = atlas.manifest.network["reference"]
    measured = Measurements.read(files, network=network, data=data, reference=reference)
    notes = NotesFile.of(atlas.path, locked=locked)
    if notes.reason:
        log(f"note: notes can't be changed: {notes.reason}")
    return PageRenderer(atlas_cache, measured, notes), ImageFiles(atlas_cache, source, Cache(_picture_folder(key)))


def _picture_folder(key: str) -> Path:
    """Return the folder for an atlas's pictures: a temporary one where that in the user's home can't be written."""
    from unitscope.web.cache import cache_folder

    try:
        return cache_folder(key)
    except OSError as problem:
        reason = f"{problem.strerror or problem}" + (f": '{problem.filename}'" if problem.filename else "")
    try:
        folder = cache_folder(key, private_folder())
    except OSError as problem:
        raise UnitscopeError(
            f"there is no folder for pictures ({problem.strerror or problem}); set XDG_CACHE_HOME to a writable one"
        ) from None
    log(f"note: pictures are kept in '{folder}' ({reason}); set XDG_CACHE_HOME to keep them elsewhere")
    return folder


def check_web() -> None:
    """Check that the packages of the explorer are installed.

    Raises:
        UnitscopeError: if a package is missing.
    """
    for package in ("fastapi", "uvicorn", "plotly", "multipart", "websockets"):
        if importlib.util.find_spec(package) is None:
            raise UnitscopeError(f"the explorer needs {package}; run `pip install 'unitscope[web]'`")
