"""A small network, ``toy:squares``, generated images of squares, ``toy://COUNT``, an attribution, ``toy``.

``toy:broken`` and ``toy://x`` fail like a package with a bug.
"""

import io
import re
import zlib

from PIL import Image, ImageDraw
from torch import nn

from unitscope.errors import ImageError, NetworkError
from unitscope.images import ImageSource
from unitscope.networks import Network, Preprocessing
from unitscope.networks.origin import Origin

COLOURS = ("blue", "red")


class ToyNetworks(Origin):
    form = "toy:NAME"

    def load(self, name, options):
        if name == "broken":
            raise ZeroDivisionError("a mistake in the package")
        if name not in self.names():
            raise NetworkError(f"no toy network '{name}'; known: {', '.join(self.names())}")
        module = nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2),
            nn.ReLU(),
            nn.Conv2d(6, 8, 3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 2),
        )
        phi = Preprocessing(32, 32, mean=(127.5,) * 3, std=(127.5,) * 3)
        return Network(f"toy:{name}", module, phi, COLOURS, weights=str(options.weights_choice))

    def names(self):
        return ("squares",)


class ToyImages(ImageSource):
    @classmethod
    def can_open(cls, address):
        return re.fullmatch(r"toy:/+(\d+|x)", address) is not None

    @classmethod
    def of(cls, address):
        count = int(address.rpartition("/")[2])
        if not count:
            raise ImageError(f"'{address}' has no images; give a number from 1")
        ids = [f"{COLOURS[number % 2]}/{number:03d}.png" for number in range(count)]
        ids.sort()
        return cls(address, "toy", tuple(ids), tuple((image.partition("/")[0],) for image in ids))

    def open(self, row):
        return io.BytesIO(self._png(row))

    def stamp(self, row):
        try:
            content = self._png(row)
        except FileNotFoundError:
            return 0, 0
        return len(content), zlib.crc32(content)

    def _png(self, row):
        match = re.fullmatch(r"(blue|red)/(\d+)\.png", self.ids[row])
        if match is None:
            raise FileNotFoundError(self.ids[row])
        number = int(match[2])
        picture = Image.new("RGB", (48, 40), "white")
        ImageDraw.Draw(picture).rectangle((number % 20, 5, number % 20 + 14, 30), fill=match[1])
        picture.save(buffer := io.BytesIO(), "PNG")
        return buffer.getvalue()


class GradientTimesInput:
    def __call__(self, session, prepared, target):
        x = session.network.preprocessing.normalize(prepared)
        return (session.gradients(prepared, target) * x.to(session.device)).sum(1)
