"""Run in llama.cpp's environment: what it answers, as a JSON file of jobs asks for it.

A job is a GGUF model, and steps: a control vector to steer with (or none), a prompt whose
next-token log-probabilities are written, or prompts to complete greedily.
"""

import json
import sys
from pathlib import Path

import numpy as np

from palrs_hub.engines.in_llama_cpp import control_vector
from palrs_hub.engines.llama_cpp import LlamaCppModel


def main() -> None:
    for job in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        with LlamaCppModel(job["model"]) as engine:
            for step in job["steps"]:
                run(engine, step)


def run(engine: LlamaCppModel, step: dict) -> None:
    if "steer" in step:
        engine.steer(control_vector(Path(step["steer"])) if step["steer"] else {})
    elif "prompts" in step:
        limits = {"max_new_tokens": step["max_new_tokens"], "end": step["end"]}
        found = [engine.complete(prompt, **limits) for prompt in step["prompts"]]
        Path(step["output"]).write_text(json.dumps(found), encoding="utf-8")
    else:
        np.save(step["output"], engine.log_probabilities(step["ids"]))


if __name__ == "__main__":
    main()
