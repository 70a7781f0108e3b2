"""A package that was written for something that is not installed."""
