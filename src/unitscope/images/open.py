"""Open images with the first installed kind of source that accepts their path or URL.

In: a path or a URL. Out: an `ImageSource`.
Kinds of source are found through the entry points `unitscope.sources`; folders on disk are one of them.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from unitscope.errors import ImageError, UnitscopeError, closest
from unitscope.images.listing import names_in
from unitscope.images.source import ImageSource
from unitscope.plugins import SOURCES, Plugin, check_registered, find_plugins, report_plugin_errors


def open_images(address: str | Path) -> ImageSource:
    """Return the images at a path or URL: a folder in any layout, one image file, or a plug-in's images.

    Raises:
        ImageError: if it does not exist, can't be read or has no images, or its labels are invalid.
    """
    plugin, kind = _kind(str(address))
    with report_plugin_errors(plugin):
        images = kind.of(str(address))
        if not isinstance(images, ImageSource):
            raise TypeError(f"of returned a {type(images).__name__}, not an ImageSource")
        return images


def reopen_images(address: str | Path, *, layout: str, ids: Iterable[str], contained: bool = False) -> ImageSource:
    """Return images that were opened before, by their ids, without labels and without listing the folder again.

    Args:
        address: a path or URL.
        layout: name of the kind of source.
        ids: names of the images.
        contained: do not follow links that lead out of a folder.

    Raises:
        ImageError: if no kind of source opens the address.
    """
    from unitscope.images.folder import ContainedFolder, ImageFolder

    listed, where = tuple(ids), os.path.expanduser(address)  # noqa: PTH111 - a URL keeps its two slashes
    if _is_address(where):
        return _kind(where)[1](where, layout, listed, ((),) * len(listed))
    kind = next((kind for _, kind in _kinds_that_open(where, [])), ImageFolder)
    if contained and kind is ImageFolder:
        kind = ContainedFolder
    return kind(str(Path(where).absolute()), layout, listed, ((),) * len(listed))


def _kind(address: str) -> tuple[Plugin, type[ImageSource]]:
    """Return the kind of source that opens an address, with its plug-in."""
    broken: list[str] = []
    for found in _kinds_that_open(address, broken):
        return found
    check_registered(SOURCES)
    raise ImageError("; ".join([_unknown(address), *broken]))


def _kinds_that_open(address: str, broken: list[str]) -> Iterable[tuple[Plugin, type[ImageSource]]]:
    """Yield the kinds of source that open an address; append the errors of those that fail to ``broken``."""
    for plugin in find_plugins(SOURCES):
        try:
            with report_plugin_errors(plugin):
                kind: type[ImageSource] = plugin.load()
                opens = kind.can_open(address)
        except UnitscopeError as problem:
            broken.append(str(problem))
            continue
        if opens:
            yield plugin, kind


def _unknown(address: str) -> str:
    if _is_address(address):
        return (
            f"no installed image source opens the URL '{_as_written(address)}'; give a folder, mount or copy the "
            "images, or install a plug-in that opens it"
        )
    path = Path(os.path.abspath(os.path.expanduser(address)))  # noqa: PTH100, PTH111 - resolve() would follow links
    near = closest(path.name, names_in(path.parent))
    return f"no file or folder '{path}'; {near or 'check the path'}"


def _is_address(address: str) -> bool:
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", address) is not None


def _as_written(address: str) -> str:
    """Restore the two slashes of a URL, which a `Path` reduces to one."""
    return re.sub(r":/+", "://", address, count=1)
