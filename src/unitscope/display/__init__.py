"""Pictures for notebooks and pages: heat maps, thumbnails, sheets, HTML. No torch, no matplotlib figures."""
