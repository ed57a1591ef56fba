"""Print the lowest versions that pyproject.toml allows, as pip constraints for `make test-lowest`."""

import re
import sys
import tomllib
from pathlib import Path

# Newer ones warn of what the lowest versions do, and warnings are errors in tests.
OF_THEIR_TIME = ["click<8.2", "numcodecs<0.16.4", "pyparsing<3.3"]


def lowest(project):
    """Return ``name==version`` for each dependency ``name>=version``, including extras."""
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(word for name in extras if name != "peers" for word in extras[name])]
    return sorted({re.sub(r">=", "==", word) for word in wanted})


if __name__ == "__main__":
    with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
        sys.stdout.write("\n".join([*lowest(tomllib.load(file)["project"]), *OF_THEIR_TIME]) + "\n")
