"""The gallery: a static site with a page for each vector, that asks nothing of any server."""

from palrs_hub.registry.site.build import Built, build

__all__ = ["Built", "build"]
