"""The explorer: an atlas as pages for a browser, served live or written out as a static site.

In: an atlas. Out: pages, each also as JSON. Nothing here imports torch: the network is behind a `LazyInspector`,
which the code that starts the server makes with `unitscope.inspection`.

- `atlas_cache`: arrays that pages need often, kept in memory; `pages`: the contents of each page, as plain values
- `image_files`, `cache`: pictures, made on demand and kept on disk, bounded in size
- `templating`, `links`, `templates/`, `static/`: from values to HTML
- `app`, `network_routes`, `live_routes`, `responses`, `error_pages`: the server; `static_export`: the pages as files
- `security`, `proxy`, `request_bodies`, `connections`: which requests it takes
- `work_queues`, `memory_budget`: slow work, which never delays the pages of the atlas
"""
