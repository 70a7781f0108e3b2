"""Where the outside world is read: processes, cgroups, sockets, doors. The only importers of psutil and sockets."""
