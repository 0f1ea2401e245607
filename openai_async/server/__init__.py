"""The other end to talk to: an embedded server of the Chat Completions API, for tests and for working offline."""
