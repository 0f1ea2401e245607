"""Turn a GGUF file into a folder that transformers and vLLM load: `to_hugging_face.py GGUF FOLDER TEMPLATE`.

It runs where transformers 5, torch, accelerate and gguf are installed. The weights are as exact as the file's
quantisation left them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

source, folder, template = map(Path, sys.argv[1:4])
read = AutoModelForCausalLM.from_pretrained(
    source.parent, gguf_file=source.name, quantization_config=GgufConfig(dequantize=True)
)
tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
tokenizer.chat_template = template.read_text(encoding="utf-8")

# How transformers' own server finds calls and thoughts in what the model writes.
tokenizer.response_template = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "thinking": {"open": "<think>", "close": "</think>", "content": "text"},
        "tool_calls": {
            "open_pattern": r"\s*<tool_call>",
            "close": "</tool_call>",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close": "<|im_end|>", "content": "text"},
    },
}

# What is read so can't be saved: the weights go into a plain model.
model = AutoModelForCausalLM.from_config(read.config)
model.load_state_dict(read.state_dict())
# For vLLM's reader of reasoning, which looks for two tokens that this model has not.
tokenizer.add_tokens(["<think>", "</think>"])
model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
model.save_pretrained(folder)
tokenizer.save_pretrained(folder)
