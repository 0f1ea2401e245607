"""What users install: the wheel and the sdist, each extra alone, on every Python of this machine. See `.ci/package`."""
