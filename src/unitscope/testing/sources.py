"""Tests for every source of images."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

from unitscope.errors import ImageError
from unitscope.images import ImageSource, decode_row, open_images, reopen_images


class SourceTests:
    """Tests of an image source; subclass it and set `address`.

    Attributes:
        address: a path or address with at least two images.
        unreadable: the ids of its images that can't be decoded.
    """

    address: str
    unreadable: tuple[str, ...] = ()

    def test_can_open_is_true_for_its_own_addresses_only(self) -> None:
        """Every source is tried on every address: `can_open` must neither raise nor accept those of other sources."""
        kind = type(self._images())
        assert kind.can_open(self.address)
        for other in ("no such file", "/no/such/folder", "no-such-scheme://nowhere"):
            assert not kind.can_open(other), other

    def test_ids_are_sorted_distinct_and_relative(self) -> None:
        """An atlas refers to images by their ids."""
        images = self._images()
        assert len(images) == len(images.ids) == len(images.labels) >= 2
        assert list(images.ids) == sorted(set(images.ids))
        for image in images.ids:
            assert image
            assert not image.startswith("/") and ".." not in PurePosixPath(image).parts, image
        assert all(isinstance(label, str) for labels in images.labels for label in labels)
        assert images.layout

    def test_every_image_can_be_decoded(self) -> None:
        """Those listed as unreadable raise an `ImageError` that names them."""
        images = self._images()
        for row, image in enumerate(images.ids):
            try:
                decode_row(images, row)
            except ImageError as problem:
                assert image in self.unreadable, problem
                assert image in str(problem), f"the message must name the image: {problem}"
            else:
                assert image not in self.unreadable, image

    def test_an_image_is_a_new_file_each_time(self) -> None:
        """Two files of one image may be open at once, each with its own position."""
        images = self._images()
        with images.open(0) as one, images.open(0) as other:
            start = one.read(4)
            assert other.read() == start + one.read()
            other.seek(0)
            assert other.read(4) == start

    def test_threads_may_open_images_at_the_same_time(self) -> None:
        """Several threads decode images at once."""
        images = self._images()
        rows = list(range(len(images))) * 3
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda row: _bytes(images, row), rows)) == [_bytes(images, row) for row in rows]

    def test_a_stamp_has_the_size_and_changes_with_the_content(self) -> None:
        """The first number of a stamp is the number of bytes."""
        images = self._images()
        sizes = tuple(len(_bytes(images, row)) for row in range(len(images)))
        assert images.sizes(range(len(images))) == sizes
        assert images.total_bytes() == sum(sizes)
        assert [images.stamp(row) for row in range(len(images))] == [images.stamp(row) for row in range(len(images))]

    def test_the_fingerprint_identifies_the_images(self) -> None:
        """A resumed scan uses the fingerprint to check that the images are unchanged."""
        images = self._images()
        assert images.fingerprint() == self._images().fingerprint()
        assert images.take([0]).fingerprint() != images.fingerprint()
        assert images.take(range(len(images))) == images

    def test_a_limit_keeps_images_evenly_spaced(self) -> None:
        """A limit takes images evenly, so that each class keeps its share."""
        images = self._images()
        few, kept = images.limit(2), (0, len(images) // 2)
        assert few.ids == tuple(images.ids[row] for row in kept)
        assert few.labels == tuple(images.labels[row] for row in kept)
        assert [_bytes(few, 0), _bytes(few, 1)] == [_bytes(images, row) for row in kept]

    def test_an_atlas_reopens_its_images(self) -> None:
        """An atlas reopens its images by address, layout and ids."""
        images = self._images()
        again = reopen_images(images.address, layout=images.layout, ids=images.ids[1:])
        assert isinstance(again, type(images))
        assert (again.ids, again.layout) == (images.ids[1:], images.layout)
        assert _bytes(again, 0) == _bytes(images, 1)

    def test_a_missing_image_has_no_size_and_raises_an_error(self) -> None:
        """A scan must notice that an image is missing, and name it."""
        images = self._images()
        gone = reopen_images(images.address, layout=images.layout, ids=("no/such/image.png",))
        assert gone.stamp(0) == (0, 0)
        try:
            decode_row(gone, 0)
        except ImageError as problem:
            assert "no/such/image.png" in str(problem), problem
        else:
            raise AssertionError("an image that is not there was decoded")

    def test_a_source_can_be_pickled(self) -> None:
        """A source must stay picklable after use."""
        images = self._images()
        first = _bytes(images, 0)
        copy = pickle.loads(pickle.dumps(images))
        assert copy == images
        assert _bytes(copy, 0) == first

    def _images(self) -> ImageSource:
        return open_images(self.address)


def _bytes(images: ImageSource, row: int) -> bytes:
    with images.open(row) as file:
        return file.read()
