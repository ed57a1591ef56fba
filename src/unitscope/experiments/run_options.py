"""Options shared by experiments, the choice of images, and their true classes.

In: options from the user, and images. Out: `RunOptions`, an image source, a `Truth`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from unitscope.analyses.ablation_counts import Truth
from unitscope.errors import UnitscopeError
from unitscope.images import ImageSource, open_images
from unitscope.networks import Network
from unitscope.notebook import short_repr
from unitscope.progress import ProgressFactory, progress_bar
from unitscope.scanning.plan import labels_of


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How an experiment runs; except for `limit`, this influences numbers by rounding only.

    Attributes:
        batch_size: images in a batch; None uses the session's: 16 on a CPU, as many as fit on a GPU.
        device: ``cpu``, ``cuda``, …; None uses the network's.
        limit: number of images to use, evenly spaced; None for all.
        progress: shows progress: by default a bar in notebooks and on terminals; `unitscope.progress.no_progress` for
            none.

    Raises:
        UnitscopeError: if ``batch_size`` or ``limit`` is less than 1.
    """

    batch_size: int | None = None
    device: str | None = None
    limit: int | None = None
    progress: ProgressFactory = progress_bar

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_size < 1:
            raise UnitscopeError(f"the batch size must be at least 1, not {self.batch_size}")
        if self.limit is not None and self.limit < 1:
            raise UnitscopeError(f"a limit of {self.limit} leaves no images; give 1 or more")

    __repr__ = short_repr

    def select_images(self, images: str | Path | ImageSource) -> ImageSource:
        """Return the images to run."""
        image_set = images if isinstance(images, ImageSource) else open_images(images)
        return image_set if self.limit is None else image_set.limit(self.limit)


def truth_of(network: Network, images: ImageSource, rows: Iterable[int]) -> Truth:
    """Return the true classes of some images, as far as their labels are classes of the network."""
    by_label = {label.label: label.network_class for label in labels_of(images, network)}
    classes = [[by_label[name] for name in images.labels[row]] for row in rows]
    return Truth.of([[number for number in numbers if number is not None] for numbers in classes])
