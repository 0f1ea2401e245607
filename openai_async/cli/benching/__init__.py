"""What `openai-async bench` is made of: load, tally, figures, and how they are shown."""
