"""Write and read atlases, the result of a scan on disk.

In: parts, which a scan writes shard by shard. Out: an atlas folder, written atomically, and `Atlas`, which reads it.
Never imports torch, so that an atlas opens fast and on any machine.
"""

from unitscope.atlas.atlas import Atlas, open_atlas
from unitscope.atlas.schema import SCHEMA_VERSION, Label, Manifest

__all__ = ["SCHEMA_VERSION", "Atlas", "Label", "Manifest", "open_atlas"]
