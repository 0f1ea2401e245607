"""The families, each a module with `ANSWERS` and `REFUSALS`."""
