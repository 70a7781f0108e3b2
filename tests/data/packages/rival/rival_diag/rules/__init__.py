"""A package that answers what acme-diag answers already."""
