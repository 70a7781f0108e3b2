"""The coordinator: asks many, adds their answers up, and says who is missing."""
