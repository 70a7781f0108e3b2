"""The agents of Acme."""
