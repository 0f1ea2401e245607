"""What the bytes mean: no socket, no clock, no event loop. Everything here works on a recorded file."""
