"""Tests for every origin of networks."""

import json

import torch

from unitscope.errors import NetworkError
from unitscope.networks import Network, load
from unitscope.networks.origin import Origin
from unitscope.networks.registry import origin_of
from unitscope.plugins import file_in


class OriginTests:
    """Tests of an origin; subclass it and set `reference`.

    Attributes:
        reference: a network of the origin; it is loaded with random weights, so that nothing is downloaded.
        seeded: whether ``weights="none"`` gives random weights by seed, as it should unless the reference itself
            determines the weights.
    """

    reference: str
    seeded: bool = True

    @property
    def origin(self) -> Origin:
        """The origin of the reference."""
        return origin_of(self.reference)

    def test_form_shows_how_references_are_written(self) -> None:
        """Error messages list the origins by the form of their references."""
        scheme = self.reference.partition(":")[0]
        assert file_in(self.reference) or self.origin.form.startswith(f"{scheme}:"), self.origin.form

    def test_a_network_is_ready_to_run(self) -> None:
        """The module is in evaluation mode, takes a batch of φ's size and returns one row per image."""
        network = self._load()
        assert isinstance(network, Network)
        assert network.reference == self.reference
        assert not any(part.training for part in network.module.modules())
        assert not any(parameter.requires_grad for parameter in network.module.parameters())
        with torch.inference_mode():
            logits = network.module(torch.zeros(1, 3, *network.preprocessing.size))
        assert len(logits) == 1
        assert not network.classes or logits.shape == (1, len(network.classes)), "one class name for each logit"
        assert len(network.wnids) in (0, len(network.classes))

    def test_random_weights_depend_on_the_seed_alone(self) -> None:
        """Equal seeds give equal weights, different seeds different ones; the caller's random state must not change."""
        before = torch.get_rng_state()
        one, same, other = (self._load(seed).fingerprint for seed in (0, 0, 1))
        assert one == same
        assert not self.seeded or one != other, "another seed must give other weights"
        assert torch.equal(torch.get_rng_state(), before)

    def test_random_weights_are_not_called_trained(self) -> None:
        """Random weights must not count as trained, since reports leave out untrained networks."""
        network = self._load()
        assert network.weights, "say what the weights are"
        assert not (self.seeded and network.trained)

    def test_the_source_loads_the_same_network_again(self) -> None:
        """An atlas stores `Network.source` as JSON and loads its network from it."""
        network = self._load(3)
        again = load(**json.loads(json.dumps(network.source)))
        assert again.fingerprint == network.fingerprint
        assert again.preprocessing == network.preprocessing

    def test_names_can_be_loaded(self) -> None:
        """The origin's names are used to suggest close matches for an unknown name."""
        names = self.origin.names()
        assert all(isinstance(name, str) and name for name in names)
        assert not names or self.reference.partition(":")[2] in names

    def test_an_unknown_name_raises_an_error_with_the_name(self) -> None:
        """A network that can't be loaded raises `NetworkError`, which the command line prints without a traceback."""
        head = f"no-such-file{self.reference[-5:]}" if file_in(self.reference) else self.reference.partition(":")[0]
        unknown = head if file_in(self.reference) else f"{head}:no-such-network"
        try:
            load(unknown, weights="none")
        except NetworkError as problem:
            assert "no-such-" in str(problem), problem
        else:
            raise AssertionError(f"'{unknown}' was loaded")

    def _load(self, seed: int = 0) -> Network:
        return load(self.reference, weights="none", seed=seed)
