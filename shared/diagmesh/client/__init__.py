"""Ask the mesh from Python: one instance, all of them, or as the replies come; typed, and it says why it ended."""

from diagmesh.client.forget import forget
from diagmesh.client.heard import Heard
from diagmesh.client.kinds import answer_type_of
from diagmesh.client.log_level import Told, set_log_level
from diagmesh.client.mesh import Mesh
from diagmesh.client.result import MeshResult, Stream
from diagmesh.contract.kinds import kind_of_type

__all__ = [
    "Heard",
    "Mesh",
    "MeshResult",
    "Stream",
    "Told",
    "answer_type_of",
    "forget",
    "kind_of_type",
    "set_log_level",
]
