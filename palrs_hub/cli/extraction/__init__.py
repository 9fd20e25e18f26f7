"""The parts of `palrs-hub extract` and `select` that fill files of their own."""
