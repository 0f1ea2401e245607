"""llama.cpp's own server in this process: `llama_cpp_server.py PORT GGUF TEMPLATE KEY`. It runs where xllamacpp is."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import xllamacpp

port, model, template, key = sys.argv[1:5]
params = xllamacpp.CommonParams()
params.model.path, params.model_alias = model, {"smollm2"}
params.hostnames, params.port = ["127.0.0.1"], int(port)
params.n_ctx, params.n_parallel, params.n_predict = 16_384, 4, 512
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.sse_ping_interval = 1  # second
params.use_jinja, params.force_pure_content_parser = True, False
params.chat_template = Path(template).read_text(encoding="utf-8")
params.api_keys = [key]
server = xllamacpp.Server(params)
threading.Event().wait()  # until a signal ends it
