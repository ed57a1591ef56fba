"""Networks described by a card: `CARD.toml` (see docs/networks.md).

In: a card's path and the user's options. Out: the `Network` that the card describes.
`unitscope.networks.cards` reads and checks the card.
"""

from dataclasses import replace
from pathlib import Path

from unitscope.errors import NetworkError
from unitscope.networks.cards import LoadOptions, read_card
from unitscope.networks.network import Network
from unitscope.networks.origin import Origin
from unitscope.networks.registry import load_with_options


class Card(Origin):
    """Loads the network described by a TOML file."""

    form = "CARD.toml"
    has_weights = True

    def load(self, name: str, options: LoadOptions) -> Network:
        """Return the network of a card; options override those in the card.

        Raises:
            NetworkError: if the card can't be read, or its network can't be loaded.
        """
        if not name.endswith(".toml"):
            raise NetworkError(f"'{name}' is not the name of a card; write {name.rpartition(':')[0]}")
        card = read_card(Path(name))
        return replace(load_with_options(options.merged_with(card)), title=card.name or "")
