"""What is thrown: generators of valid answers, of whatever shape vendors send, and what spoils them.

Everything here is made of a `random.Random` and nothing else, so that a seed brings all of it back.
"""
