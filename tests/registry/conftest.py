import pytest

from tests.registry.shelves import Registry


@pytest.fixture
def registry(tmp_path):
    """An empty registry; ``add`` puts sound entries into it."""
    return Registry(tmp_path / "repository")
