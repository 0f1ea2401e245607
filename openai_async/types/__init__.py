"""What is said: every request and response type. The public door is `openai_async.types.chat`."""
