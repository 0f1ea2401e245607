"""What you call: the client, its methods, and the stream in your hands."""
