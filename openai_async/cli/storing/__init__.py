"""What `openai-async completions` does with stored completions."""
