"""The mesh that `diagmesh up` runs on this machine: server, processes, the directory they live in."""
