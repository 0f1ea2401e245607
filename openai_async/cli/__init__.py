"""The command line: `openai-async chat` and `openai-async serve`. `program` is the whole, each command one module."""
