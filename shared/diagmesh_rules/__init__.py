"""The rules: one per file, with its finding page beside it."""
