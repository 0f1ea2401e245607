"""The gateway of `openai-async relay`: the hub as an OpenAI-compatible API."""
