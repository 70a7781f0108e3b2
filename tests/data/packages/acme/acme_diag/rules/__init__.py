"""The rules of Acme."""
