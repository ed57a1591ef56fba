"""The explorer: an atlas as pages for a browser, served live or written out as a static site.

In: an atlas. Out: pages, each with a JSON twin. Nothing here imports torch: what needs the network is a `LazySession`,
which `unitscope.inspection` makes and whoever starts the server hands over.

- `atlas_cache`: what pages ask for again and again, held in memory; `pages`: what each page says, as plain values
- `image_files`, `cache`: pictures, made when asked for, kept on disk within a bound
- `templating`, `links`, `templates/`, `static/`: from values to HTML
- `app`, `security`, `network_routes`, `live_routes`: the server; `static_export`: the pages as files
"""
