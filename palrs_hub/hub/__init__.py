"""The Hub: push and pull. Nothing else in palrs-hub imports huggingface_hub."""

from palrs_hub.hub.models import push_model
from palrs_hub.hub.names import split_revision
from palrs_hub.hub.transfer import Pulled, PushResult, fetch_config, pull, push

__all__ = ["Pulled", "PushResult", "fetch_config", "pull", "push", "push_model", "split_revision"]
