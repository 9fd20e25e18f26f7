"""Run in llama.cpp's environment: checkpoints as GGUF, by llama.cpp's own conversion, in float32.

``convert_to_gguf.py LLAMA_CPP JOBS``, a JSON list of [checkpoint, GGUF file]. The tokenizer is left
out: llama.cpp knows tokenizers by a hash of how they cut a text, and those of tests are not among
them. Token ids go in instead.
"""

import json
import logging
import sys
from pathlib import Path

llama_cpp, jobs = (Path(word) for word in sys.argv[1:])
sys.path[:0] = [str(llama_cpp), str(llama_cpp / "gguf-py")]

import gguf
import torch
from conversion import ModelBase, ModelType, get_model_architecture, get_model_class

logging.disable(logging.INFO)


def convert(checkpoint: Path, output: Path) -> None:
    settings = ModelBase.load_hparams(checkpoint, False)
    plain = get_model_class(get_model_architecture(settings, ModelType.TEXT))

    class WithoutTokenizer(plain):
        model_arch = plain.model_arch

        def set_vocab(self) -> None:
            self._set_vocab_none()

        def set_gguf_parameters(self) -> None:
            super().set_gguf_parameters()
            name = gguf.Keys.LLM.VOCAB_SIZE.format(arch=self.gguf_writer.arch)
            if name not in self.gguf_writer.kv_data[0]:
                self.gguf_writer.add_vocab_size(settings["vocab_size"])

    with torch.inference_mode():
        WithoutTokenizer(checkpoint, gguf.LlamaFileType.ALL_F32, output).write()


for place, output in json.loads(jobs.read_text(encoding="utf-8")):
    convert(Path(place), Path(output))
