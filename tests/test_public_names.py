"""The public surface: what users import is there, and nothing of it is hidden by a module."""

import palrs_hub
from palrs_hub import _HOME, errors


def test_every_public_name_can_be_had():
    for name in palrs_hub.__all__:
        assert getattr(palrs_hub, name).__name__ == name
    assert sorted(_HOME) == sorted(palrs_hub.__all__) == sorted(set(palrs_hub.__all__))


def test_names_are_still_there_after_their_modules_were_imported():
    import palrs_hub.extraction
    import palrs_hub.pairs
    import palrs_hub.selection

    assert callable(palrs_hub.extract)
    assert callable(palrs_hub.select)


def test_the_tree_of_errors_is_drawn_completely():
    drawn = errors.__doc__
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, Exception)]
    assert all(kind.__name__ in drawn for kind in kinds)
    assert all(issubclass(kind, errors.PalrsHubError) for kind in kinds)
