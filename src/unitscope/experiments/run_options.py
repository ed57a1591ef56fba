"""How experiments run, and what they have in common: the images chosen, and their right answers.

In: what the user says of batches, devices and images. Out: `RunOptions`, an image set, a `Truth`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from unitscope.analyses.ablation import Truth
from unitscope.errors import UnitscopeError
from unitscope.images import ImageSource, open_images
from unitscope.networks import Network
from unitscope.scanning.plan import labels_of

BATCH = 16
"""Images in a batch, unless told otherwise."""


Counting = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""From what is done and a number of images to a context, which gives what is told of each batch's images."""


@contextmanager
def uncounted(title: str, images: int) -> Iterator[Callable[[int], None]]:
    """Show nothing."""
    yield lambda done: None


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How an experiment runs; but for `limit` it bears on the numbers by rounding only.

    Attributes:
        batch_size: images in a batch.
        device: ``cpu``, ``cuda``, …
        limit: only so many images, evenly spaced; None takes all.
        counting: shows how far it is; see `Counting`.

    Raises:
        UnitscopeError: if a batch, or the limit, holds less than one image.
    """

    batch_size: int = BATCH
    device: str = "cpu"
    limit: int | None = None
    counting: Counting = uncounted

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UnitscopeError(f"a batch of {self.batch_size} holds no image; give 1 or more")
        if self.limit is not None and self.limit < 1:
            raise UnitscopeError(f"a limit of {self.limit} leaves no images; give 1 or more")

    def chosen(self, images: str | Path | ImageSource) -> ImageSource:
        """Return the images that are run."""
        image_set = images if isinstance(images, ImageSource) else open_images(images)
        return image_set if self.limit is None else image_set.limit(self.limit)


def truth_of(network: Network, images: ImageSource, rows: Iterable[int]) -> Truth:
    """Return the right classes of some images, as far as their labels are classes of the network."""
    right = {label.label: label.network_class for label in labels_of(images, network)}
    classes = [[right[name] for name in images.labels[row]] for row in rows]
    return Truth.of([[number for number in numbers if number is not None] for numbers in classes])
