"""An embedded Hub: the Hub's HTTP protocol on loopback, over SQLite and a folder of contents.

The unmodified clients of the Hub talk to it once their endpoint is set to its address::

    with running_hub("hub-folder") as hub:
        HfApi(endpoint=hub.url).create_repo("local/my-vector")

``app.py`` has the table of all routes, ``limits.py`` all bounds, ``access.py`` who may do what.
"""

from __future__ import annotations

from palrs_hub.local_hub.garbage import Collected, collect_garbage
from palrs_hub.local_hub.server import RunningHub, running_hub, serve
from palrs_hub.local_hub.store import Store
from palrs_hub.local_hub.tokens import Token, new_token
from palrs_hub.local_hub.verification import Defect, Report, verify

__all__ = [
    "Collected",
    "Defect",
    "Report",
    "RunningHub",
    "Store",
    "Token",
    "collect_garbage",
    "new_token",
    "running_hub",
    "serve",
    "verify",
]
