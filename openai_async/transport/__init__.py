"""How it travels: requests out, bytes in, with time limits and retries; it never looks into what it carries."""
