"""What unfinished objects are made of: their types taken apart, and objects of them put together."""
