"""What all benchmarks share: peers, servers, load, rounds and tables. A benchmark says what is compared."""

from .broadcast import Broadcast, broadcast
from .lab import Bench, Lab
from .load import Load, LoadError, Request, measure, measure_at
from .ports import free_port
from .results import Contender, Goal, Table, compare_table
from .servers import OURS, PEERS, PORT, Running, Server, service, uvicorn

__all__ = [
    "OURS",
    "PEERS",
    "PORT",
    "Bench",
    "Broadcast",
    "Contender",
    "Goal",
    "Lab",
    "Load",
    "LoadError",
    "Request",
    "Running",
    "Server",
    "Table",
    "broadcast",
    "compare_table",
    "free_port",
    "measure",
    "measure_at",
    "service",
    "uvicorn",
]
