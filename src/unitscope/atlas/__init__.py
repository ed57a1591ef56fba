"""What a scan leaves on disk, and how it is read again.

In: parts, written shard by shard while a scan runs. Out: an `Atlas`, a folder that appears whole or not at all.
Never imports torch: an atlas opens anywhere, at once.
"""

from unitscope.atlas.atlas import Atlas, open_atlas
from unitscope.atlas.schema import SCHEMA_VERSION, Label, Manifest

__all__ = ["SCHEMA_VERSION", "Atlas", "Label", "Manifest", "open_atlas"]
