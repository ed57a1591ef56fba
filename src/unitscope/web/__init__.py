"""The explorer: an atlas as pages for a browser, served live or written out as a static site.

In: an atlas. Out: pages, each with a JSON twin. Nothing here imports torch: what needs the network is a `Studio`,
which `unitscope.looking` makes and whoever starts the server hands over.

- `shelf`: what pages ask for again and again, held in memory; `pages`: what each page says, as plain values
- `thumbnails`, `cache`: pictures, made when asked for, kept on disk within a bound
- `rendering`, `links`, `templates/`, `static/`: from values to HTML
- `app`, `guard`, `work`: the server; `site`: the static export
"""
