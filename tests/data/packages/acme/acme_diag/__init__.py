"""What Acme adds to diagmesh."""
