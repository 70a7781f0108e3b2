"""Two small services to watch: orders asks payments over NATS, and payments can be made slow for a while."""
