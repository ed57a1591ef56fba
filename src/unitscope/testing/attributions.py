"""Tests for every method of attribution."""

import torch
from torch import Tensor

from unitscope.attribution.attribute import find_attribution
from unitscope.attribution.protocol import Attribution
from unitscope.engine.session import Session
from unitscope.networks import load


class AttributionTests:
    """Tests of a method of attribution; subclass it and set `method`.

    Attributes:
        method: the name under which the method is registered.
        tolerance: how much a map may change with its batch, relative to its greatest value.
    """

    method: str
    tolerance: float = 1e-4

    @property
    def attribution(self) -> Attribution:
        """The method."""
        return find_attribution(self.method)

    def test_a_class_and_a_unit_have_a_map_of_the_inputs_size(self) -> None:
        """Every class, and every unit of every layer, is a valid target."""
        session, images = self._session(), self._images()
        for target in (3, "act:1:5", "act:-1:5"):
            maps = self.attribution(session, images, target)
            assert maps.shape == (len(images), *images.shape[-2:])
            assert maps.dtype == torch.float32
            assert torch.isfinite(maps).all()
            assert maps.abs().max() > 0, target

    def test_a_map_does_not_depend_on_its_batch(self) -> None:
        """The map of an image doesn't depend on the other images of its batch."""
        session, images = self._session(), self._images()
        together = self.attribution(session, images, 3)
        for image, expected in zip(images, together, strict=True):
            alone = self.attribution(session, image[None], 3)[0]
            assert (alone - expected).abs().max() <= self.tolerance * expected.abs().max()

    def test_the_same_call_gives_the_same_map(self) -> None:
        """A random method must use a fixed seed."""
        session, images = self._session(), self._images()
        assert torch.equal(self.attribution(session, images, 3), self.attribution(session, images, 3))

    def test_the_network_is_unchanged(self) -> None:
        """The network's mode and gradients, and the caller's random state, must not change."""
        session, before = self._session(), torch.get_rng_state()
        session.network.module.train()
        self.attribution(session, self._images(), 3)
        assert session.network.module.training
        assert all(parameter.grad is None for parameter in session.network.module.parameters())
        assert torch.equal(torch.get_rng_state(), before)

    def _session(self) -> Session:
        return Session(load("torchvision:squeezenet1_1", weights="none", seed=0))

    def _images(self) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8, generator=generator)
