"""All clients, in the order of the table."""

from __future__ import annotations

from .client import Client

__all__ = ["CLIENTS"]

_ALL = [
    Client(name="openai", packages=["openai==3.54.0"], script="official.py"),
    Client(name="openai-aiohttp", packages=["openai[aiohttp]==3.54.0"], script="official.py", arguments=["aiohttp"]),
    Client(name="litellm", packages=["litellm"], script="litellm_client.py"),
    Client(name="pydantic-ai", packages=["pydantic-ai-slim[openai]"], script="pydantic_ai_client.py"),
    Client(name="langchain", packages=["langchain-openai"], script="langchain_client.py"),
    Client(name="instructor", packages=["instructor"], script="instructor_client.py"),
    Client(name="openai-agents", packages=["openai-agents"], script="agents_client.py"),
    Client(
        name="huggingface_hub",
        packages=["huggingface_hub"],
        script="huggingface_client.py",
        limits={
            "structured": (
                "For any server with an address of its own it writes the schema as text-generation-inference wants it, "
                "in response_format.value, which OpenAI's API does not know"
            )
        },
    ),
    Client(name="groq", packages=["groq"], script="groq_client.py"),
    Client(
        name="mistralai",
        packages=["mistralai"],
        script="mistral_client.py",
        options={"ignore_unknown": True},  # it adds `prefix` to every assistant message
        limits={
            "streamed_tools": "It wants a name in every fragment of a call; in OpenAI's streams only the first has one"
        },
    ),
    Client(name="openai-node", language="node", packages=["openai@7"], script="official.mjs"),
    Client(name="ai", language="node", packages=["ai@6", "@ai-sdk/openai-compatible", "zod"], script="vercel.mjs"),
    Client(
        name="langchain-node",
        language="node",
        packages=["@langchain/openai", "@langchain/core", "zod"],
        script="langchain.mjs",
    ),
]

CLIENTS: dict[str, Client] = {client.name: client for client in _ALL}
