"""Networks that a card describes: `CARD.toml` (docs/networks.md).

In: a card's path and what is wanted otherwise. Out: the `Network` that it describes.
What a card may say is for `unitscope.networks.cards`.
"""

from pathlib import Path

from unitscope.networks.cards import Recipe, read_card
from unitscope.networks.network import Network
from unitscope.networks.origin import Origin
from unitscope.networks.registry import load_recipe


class Card(Origin):
    """Loads the network that a TOML file describes."""

    form = "CARD.toml"
    has_weights = True

    def load(self, name: str, recipe: Recipe) -> Network:
        """Return the network of a card; what the recipe says goes over what the card says.

        Raises:
            NetworkError: if the card can't be read, or the network that it describes can't be loaded.
        """
        return load_recipe(recipe.on(read_card(Path(name))))
