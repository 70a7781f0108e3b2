"""What a coordinator remembers beyond its own life: whom it expected, who was forgotten or left, what was declared.

`records` are the values as they lie in the bucket, `compare` holds one against the directory, `book` tells what there
is to write and what news means (all pure), `keeper` does the reading and writing.
"""

from diagmesh_coordinator.registry.keeper import Registry

__all__ = ["Registry"]
