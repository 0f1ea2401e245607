"""The command line: `openai-async chat`, `bulk`, `serve` and the rest. `program` is the whole, each command one module."""
