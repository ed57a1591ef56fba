"""Heat maps, thumbnails and HTML for notebooks and web pages.

In: arrays, tables and image files. Out: pixels, image bytes, HTML text and the sheets that figures draw.
Never imports torch, and draws no matplotlib figures (see `unitscope.figures`).
"""
