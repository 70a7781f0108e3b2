"""The command line: one verb per file in commands, one view per kind in views."""
