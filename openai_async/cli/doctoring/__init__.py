"""What `openai-async doctor` checks, one matter a file, and what it advises."""
