"""What is fuzzed: readers of the package, each with what has to hold for it whatever it reads."""
