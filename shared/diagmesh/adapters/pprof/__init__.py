"""Profiles in the format of pprof: read, cut to what matters, added up, compared.

``profile.proto`` is Google's (https://github.com/google/pprof, ``proto/profile.proto`` of 2026-11-05, Apache License
2.0, unchanged). From it ``profile_pb2.py`` and ``profile_pb2.pyi`` are generated; only their header is ours. To make
them again, with the version whose code runs on every protobuf that `pyproject.toml` allows::

    pip install 'grpcio-tools==1.75.*'
    python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. profile.proto

Nothing here is imported before somebody asks for a profile: protobuf costs 16 ms and some megabytes.
"""
