"""The tour as a notebook: examples/tour.py, run in a kernel.

In: cells in the percent format, ``# %%`` and ``# %% [markdown]``. Out: a notebook with its outputs, made small.
Run from the project's folder: ``python docs/tour.py`` writes examples/tour.ipynb.
"""

import base64
import io
import json
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

SOURCE = Path(__file__).parents[1] / "examples" / "tour.py"
_COLOURS, _SIDE = 128, 1100  # of pictures in the notebook


def read(text: str) -> Any:
    """Return the notebook of a text in the percent format, without outputs."""
    cells = []
    for number, part in enumerate(text.split("# %%")[1:]):
        kind, _, source = part.partition("\n")
        source = source.strip("\n")
        if kind.strip() == "[markdown]":
            cell = nbformat.v4.new_markdown_cell(textwrap.dedent(source.replace("#", "", 1).replace("\n#", "\n")))
        else:
            cell = nbformat.v4.new_code_cell(source)
        cells.append({**cell, "id": f"cell-{number}"})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return nbformat.from_dict({**nbformat.v4.new_notebook(metadata=metadata), "cells": cells})


def run(notebook: Any, folder: Path) -> Any:
    """Run a notebook in a folder, and return it with its outputs."""
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    return client.execute()


def made_small(notebook: Any, folder: Path) -> Any:
    """Return a notebook with smaller pictures, and without times and the folder in which it ran."""
    for cell in notebook.cells:
        cell.metadata.clear()
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = _smaller(output.data["image/png"])
    return nbformat.from_dict(json.loads(json.dumps(notebook).replace(f"{folder}/", "")))


def _smaller(png: str) -> str:
    """Return a base64 PNG with fewer pixels and colours."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    picture.thumbnail((_SIDE, 10 * _SIDE))
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(written := io.BytesIO(), "PNG", optimize=True)
    return base64.b64encode(written.getvalue()).decode()


def main() -> None:
    """Write the tour with its outputs."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = made_small(run(read(SOURCE.read_text("utf-8")), Path(folder)), Path(folder))
    target = SOURCE.with_suffix(".ipynb")
    target.write_text(nbformat.writes(notebook) + "\n", "utf-8")
    sys.stdout.write(f"wrote {target}, {target.stat().st_size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
