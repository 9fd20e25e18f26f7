"""Run in vLLM's environment: log-probabilities of prompts, as a JSON file of jobs asks for them.

A job is a model in one mode, and steps: a prompt whose next-token log-probabilities are written
(``[tokens, vocabulary]``), or another choice of the steering, as a server makes it.
"""

import json
import os
import sys
from pathlib import Path

os.environ.update(
    {
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
)

import numpy as np
from vllm import LLM, SamplingParams

from palrs_hub.errors import PalrsHubError


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        jobs = json.load(file)
    for job in jobs:
        run(job)


def run(job: dict) -> None:
    try:
        llm = start(job)
    except PalrsHubError as error:
        Path(job["refusal"]).write_text(str(error), encoding="utf-8")
        return
    for step in job["steps"]:
        if "choose" in step:
            llm.collective_rpc("palrs_hub_choose", args=tuple(step["choose"]))
            llm.reset_prefix_cache()
        else:
            np.save(step["output"], log_probabilities(llm, step["ids"], job["vocabulary"]))
    llm.llm_engine.engine_core.shutdown()


def start(job: dict) -> LLM:
    return LLM(
        model=job["model"],
        hf_overrides=job["overrides"],
        enforce_eager=not job["compiled"],
        dtype="float32",
        max_model_len=64,
        max_logprobs=job["vocabulary"],
        skip_tokenizer_init=True,
        worker_extension_cls="palrs_hub.engines.vllm_plugin.worker.SteeringWorker",
    )


def log_probabilities(llm: LLM, ids: list[int], vocabulary: int) -> np.ndarray:
    wanted = SamplingParams(
        max_tokens=1,
        temperature=0.0,
        logprobs=vocabulary,
        prompt_logprobs=vocabulary,
        detokenize=False,
    )
    (answer,) = llm.generate([{"prompt_token_ids": ids}], wanted, use_tqdm=False)
    rows = [*answer.prompt_logprobs[1:], answer.outputs[0].logprobs[0]]
    return np.array([[row[token].logprob for token in range(vocabulary)] for row in rows])


if __name__ == "__main__":
    main()
