"""The picture files that pages show: thumbnails, larger pictures, maps of exemplars, uploads.

In: rows, units, addresses of images. Out: bytes. Only images listed in the atlas, and uploads, are ever opened.
"""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from unitscope.display.thumbnails import LARGE, map_shape, pixels_needed, strip, thumbnail
from unitscope.errors import ImageError, UnknownImageError
from unitscope.images import ImageSource, decode, decode_row
from unitscope.images.decoding import pixels_in
from unitscope.images.limits import UNTRUSTED, Limits
from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.cache import Cache
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.memory_budget import MemoryBudget

UPLOAD = "upload:"
MAX_PIXELS = 50_000_000
"""The largest picture that a visitor may upload."""
_BYTES_OF_A_PIXEL = 12  # as stored, without transparency, and upright, each with four bytes
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """An atlas's images, and the pictures made from them.

    Attributes:
        atlas_cache: the atlas.
        source: opens the atlas's images, by row.
        cache: pictures made before, and uploads.
        memory: what uploads may take while they are received and decoded.
    """

    atlas_cache: AtlasCache
    source: ImageSource
    cache: Cache
    memory: MemoryBudget = field(default_factory=MemoryBudget)

    def thumbnail(self, row: int, side: int) -> bytes:
        """Return an image as the network sees it, WebP.

        Raises:
            ImageError: if there is no such row, or its file can't be read.
        """
        if not 0 <= row < len(self.atlas_cache.ids):
            raise UnknownImageError(
                f"no image {row}: the atlas's images are numbered 0 to {len(self.atlas_cache.ids) - 1}"
            )
        return self._thumbnail(self.atlas_cache.ids[row], side)

    def picture_of(self, address: str, side: int) -> bytes:
        """Return an image, given by its id, or an upload as the network sees it, WebP."""
        return self._thumbnail(address, side)

    def stored_maps(self, layer: Layer, channel: int) -> bytes | None:
        """Return the maps of a unit's exemplars as `maps` does, if they were made before."""
        return self.cache.find(_maps_name(layer, channel))

    def maps(self, inspector: LazyInspector, layer: Layer, channel: int) -> bytes:
        """Return the maps of a unit's exemplars side by side, PNG.

        Raises:
            NetworkError: if there is no network.
            ImageError: if none of the images can be read.
        """
        if (stored := self.stored_maps(layer, channel)) is not None:
            return stored
        rows = [one.row for one in self.atlas_cache.extremes(layer, channel)]
        maps = inspector.get().maps(self.source.take(rows), layer, channel)
        known = [map_.shape for map_ in maps if map_ is not None]
        if rows and not known:
            raise ImageError(
                f"the images can't be read in '{self.source.root}' any more; give their new folder with --image-root"
            )
        data = strip(maps, map_shape(known[0] if known else (1, 1)))
        # An image that is missing now may be back later, so only complete strips are cached.
        return data if len(known) < len(maps) else self.cache.put(_maps_name(layer, channel), data)

    def decoded(self, address: str, limits: Limits | None = None) -> Image.Image:
        """Return the picture of an image's id, or of ``upload:HASH``.

        Raises:
            ImageError: if the atlas has no such image, it can't be read, or its id leads out of the atlas's folder.
        """
        if address.startswith(UPLOAD):
            return decode(self._uploaded(address), limits)
        return decode_row(self.source, self.atlas_cache.atlas.image_number(address), limits)

    def check(self, address: str) -> None:
        """Check that an image or upload exists.

        Raises:
            ImageError: if it does not.
        """
        if address.startswith(UPLOAD):
            self._uploaded(address)
        else:
            self.atlas_cache.atlas.image_number(address)

    def add_upload(self, data: bytes) -> str:
        """Store an uploaded picture, and return its address, ``upload:HASH``.

        Raises:
            ImageError: if it can't be read as a picture.
            ImageTooLargeError: if it has more than `MAX_PIXELS`, or takes too long to decode.
            BusyError: if other uploads take the memory that it needs.
        """
        phi = self.atlas_cache.atlas.manifest.preprocessing
        limits = Limits(MAX_PIXELS, pixels_needed(phi, LARGE), UNTRUSTED)
        address = UPLOAD + hashlib.sha256(data).hexdigest()
        with self.memory.reserve(_BYTES_OF_A_PIXEL * pixels_in(data, limits)):
            picture = decode(data, limits)
            self.cache.put(f"{LARGE} {address}", thumbnail(picture, phi, LARGE))
        self.cache.put(address, data)
        return address

    def _uploaded(self, address: str) -> Path:
        path = self.cache.path(address)
        if not _HASH.fullmatch(address.removeprefix(UPLOAD)) or not path.is_file():
            raise UnknownImageError("this uploaded image has been deleted; upload it again")
        return path

    def _thumbnail(self, address: str, side: int) -> bytes:
        self.check(address)
        return self.cache.get(f"{side} {address}", lambda: self._made(address, side))

    def _made(self, address: str, side: int) -> bytes:
        phi = self.atlas_cache.atlas.manifest.preprocessing
        return thumbnail(self.decoded(address, Limits(at_least=pixels_needed(phi, side))), phi, side)


def _maps_name(layer: Layer, channel: int) -> str:
    return f"maps of exemplars {layer.name} {channel}"
