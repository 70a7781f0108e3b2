"""The lab: load, chaos and mitigation live here later; the only package that may change anything."""
