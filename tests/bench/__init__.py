"""The bench: our parts beside peers that do the same with less, in one run. Measures, never judges."""
