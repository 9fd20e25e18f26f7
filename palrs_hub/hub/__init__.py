"""The Hub: push, pull, search, versions. Nothing else in palrs-hub imports huggingface_hub.

A pull takes all files of a package from one commit and checks them against their hashes. A push
makes one commit, on top of the commit that the local copy came from, or refuses.
"""

from palrs_hub.hub.checkpoint import fetch_checkpoint
from palrs_hub.hub.comparison import Difference, diff
from palrs_hub.hub.download import Pulled, fetch_config, fetch_manifest, pull
from palrs_hub.hub.history import Versions, versions
from palrs_hub.hub.listing import Found, search
from palrs_hub.hub.models import config_facts, push_model
from palrs_hub.hub.names import split_revision
from palrs_hub.hub.plan import PushPlan
from palrs_hub.hub.upload import PushResult, plan_push, push

__all__ = [
    "Difference",
    "Found",
    "Pulled",
    "PushPlan",
    "PushResult",
    "Versions",
    "config_facts",
    "diff",
    "fetch_checkpoint",
    "fetch_config",
    "fetch_manifest",
    "plan_push",
    "pull",
    "push",
    "push_model",
    "search",
    "split_revision",
    "versions",
]
