"""The parts of ``palrs-hub eval``: what was asked, measuring it, and verifying claims."""
