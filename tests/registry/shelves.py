"""Registries made to measure: tests change what they are about."""

from __future__ import annotations

import json
from pathlib import Path

from palrs_hub.hub import push
from palrs_hub.registry import read_shelf
from palrs_hub.registry.add import Wanted, draft, write
from palrs_hub.registry.checks import check_shelf
from tests.builders import BLOCKS, HIDDEN, a_vector

BASE = "base"
CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": HIDDEN,
    "num_hidden_layers": BLOCKS,
    "vocab_size": 32,
    "dtype": "bfloat16",
}


class Registry:
    """A folder with a base model, to which entries are added."""

    def __init__(self, root: Path):
        self.root = root
        self.added = 0
        (root / "registry").mkdir(parents=True)
        (root / "cards").mkdir()
        self.base_model(BASE)

    def base_model(self, name, **changes):
        (self.root / name).mkdir()
        (self.root / name / "config.json").write_text(json.dumps({**CONFIG, **changes}))

    def add(self, slug, *, repo=None, seed=None, base=BASE, name=None, wanted=None, **manifest):
        """An entry that nothing is wrong with, unless the arguments are wrong."""
        self.added += 1
        seed = self.added if seed is None else seed
        vector = a_vector(seed=seed, name=name or slug, **manifest)
        if repo is None:
            where = str(vector.save_pretrained(self.root / "registry" / "vectors" / slug))
        else:
            done = push(vector, repo, force=True)
            where = f"{done.repo_id}@{done.commit}"
        options = {"slug": slug, "base_model": str(self.root / base), **(wanted or {})}
        record = draft(self.root, where, Wanted(**options))
        write(record)
        return record

    def change(self, path, old, new):
        """Edit a file by hand."""
        file = self.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    def check(self, *, online=False):
        """Entry and check of every finding that is an error."""
        faults = check_shelf(read_shelf(self.root), online=online)
        return {(f.entry, f.finding.check) for f in faults if f.finding.severity == "error"}
