"""Every decoder is given what nobody would write: it may refuse in its own words, and do nothing else."""
