"""Coverage-guided fuzzing of one reader: ``python -m tests.fuzz TARGET SECONDS [FOLDER]``.

It runs in the environment that ``make fuzz`` sets up. An input that ends in anything but an error
of ours, takes ten seconds or a gigabyte is kept in FOLDER, and the exit code is not 0.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["palrs_hub"], enable_loader_override=False):
    import palrs_hub.card
    import palrs_hub.formats
    import palrs_hub.local_hub.cards
    import palrs_hub.manifest
    import palrs_hub.pairs
    import palrs_hub.registry.entry
    import palrs_hub.registry.markdown
    import palrs_hub.registry.yaml_file
    import palrs_hub.tensors  # noqa: F401
    from tests.fuzz.targets import TARGETS


def main(name: str, seconds: int, kept: Path) -> None:
    """Fuzz until the time is over or something is found."""
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(TARGETS[name].seeds()):
            (Path(folder) / str(number)).write_bytes(seed)
        options = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048"]
        options += ["-max_len=65536", f"-artifact_prefix={kept}/{name}-", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *options, folder], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    place = Path(sys.argv[3]) if len(sys.argv) > 3 else Path("build/fuzz")
    main(sys.argv[1], int(sys.argv[2]), place)
