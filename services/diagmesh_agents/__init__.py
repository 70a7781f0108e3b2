"""The small agents: one per file, file name = kind = subject token. `__main__` is the sidecar that hosts them."""
