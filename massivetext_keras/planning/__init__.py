"""What training would take on machines that are not here: meshes, memory, seconds."""

from massivetext_keras.planning.cluster import Cluster
from massivetext_keras.planning.job import Job
from massivetext_keras.planning.memory import Memory, memory
from massivetext_keras.planning.search import (
    Choice,
    Impossible,
    NothingFits,
    Plan,
    plans,
)
from massivetext_keras.planning.seconds import Seconds, seconds
from massivetext_keras.planning.split import Split

__all__ = [
    "Choice",
    "Cluster",
    "Impossible",
    "Job",
    "Memory",
    "NothingFits",
    "Plan",
    "Seconds",
    "Split",
    "memory",
    "plans",
    "seconds",
]
