"""One connection to the mesh: a protocol (core), one implementation on NATS (nats), one in memory (memory)."""
