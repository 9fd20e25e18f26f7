"""Run by torchrun: reads the demonstration's pairs in shards of 16, and says what it did.

``run_shared.py FOLDER [kill]`` keeps candidates and shards of each process in the folder; with
``kill`` process 1 dies, as by the system, when it has kept its first shard.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from palrs_hub import activations, extract, read_pairs, reading
from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.distributed import team
from palrs_hub.loading import load_model_and_tokenizer

folder, kills = Path(sys.argv[1]), "kill" in sys.argv
reading.SHARD_PAIRS = 16
read, add = [], activations.Stream.add


def watched(self, chosen, rejected, **where):
    if kills and work.share.index == 1 and read:
        os.kill(os.getpid(), signal.SIGKILL)
    read.append(where["first"] // 16)
    add(self, chosen, rejected, **where)


activations.Stream.add = watched
with team() as work:
    place = work.share.index
    options = {"checkpoint": folder / f"part-{place}", "checkpoint_every": 16}
    model, tokenizer = load_model_and_tokenizer(str(model_folder()))
    found = extract(model, tokenizer, read_pairs(pairs_file()), team=work, **options)
np.save(folder / f"candidates-{place}.npy", found.candidates)
(folder / f"read-{place}").write_text(json.dumps(read))
