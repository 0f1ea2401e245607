"""Many streams at once: what a server does to each of them, the server, the client, and what is measured meanwhile.

What a stream's server does is made of a seed and the stream's number, on both sides: the server plays it, and the client
knows what has to come of it.
"""
