"""One HTTP request to a door of the service: addresses, TLS, deadlines, and words for each way in which it fails."""
