"""The launcher: starts a service, owns its pipes and its end. Standard library only; nothing of the mesh in it.

Four processes, so that each of ours may be killed or frozen without the service noticing: the *launcher* (parent,
signals, exit status, restarts), the *pump* (reads the output and passes it on), the *sidecar* (answers on NATS), and
the service itself.
"""
