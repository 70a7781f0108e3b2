"""The mesh under load while its parts are killed and frozen at random: every request must be explained."""
