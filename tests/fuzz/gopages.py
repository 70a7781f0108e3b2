"""What a Go service tells of its runtime, and what its executable and environment say."""

import contextlib
import gzip
from pathlib import Path
from typing import Any, Final

from diagmesh.adapters.buildinfo import build_of
from diagmesh.adapters.goruntime.birth import parse_limit, parse_percent
from diagmesh.adapters.goruntime.index import fields_of_index
from diagmesh.adapters.goruntime.look import Who, look_of, sample_of
from diagmesh.adapters.goruntime.memstats import fields_of_expvar, fields_of_heap_text
from diagmesh.adapters.goruntime.metrics import fields_of_metrics
from diagmesh.contract.codec import encode
from diagmesh.errors import NotGoPage
from fuzz.local import in_file
from fuzz.target import Target, text_of

__all__ = ["TARGETS", "executable"]

_MEMSTATS: Final = (
    b'"TotalAlloc":9,"Sys":8,"HeapAlloc":3,"HeapIdle":2,"HeapInuse":4,"HeapReleased":1,"HeapObjects":5,"Mallocs":7,'
    b'"StackInuse":1,"NextGC":4194304,"LastGC":1800000000000000000,"PauseNs":[5,6],"PauseEnd":[7,8],"NumGC":3,'
    b'"NumForcedGC":1,"PauseTotalNs":11,"GCCPUFraction":0.01'
)
_HEAP: Final = (
    b"heap profile: 2: 592 [2: 593] @ heap/1048576\n\n# runtime.MemStats\n# TotalAlloc = 9\n# Sys = 8\n"
    b"# HeapAlloc = 3\n"
    b"# HeapIdle = 2\n# HeapInuse = 4\n# HeapReleased = 1\n# HeapObjects = 5\n# Mallocs = 7\n# Stack = 1 / 2\n"
    b"# NextGC = 4194304\n# LastGC = 7\n# PauseNs = [5 6]\n# PauseEnd = [7 8]\n# NumGC = 3\n# NumForcedGC = 1\n"
    b"# GCCPUFraction = 1.2e-05\n"
)
_METRICS: Final = (
    b'# TYPE go_goroutines gauge\ngo_goroutines 31\ngo_info{version="go1.27.3"} 1\ngo_gc_gomemlimit_bytes 9.2e+18\n'
    b'go_gc_duration_seconds{quantile="0.5"} 0.0001\ngo_gc_duration_seconds_count 5\nprocess_start_time_seconds 1.8e9\n'
)
_INDEX: Final = (
    b"<tr><td>31</td><td><a href='goroutine?debug=1'>goroutine</a></td></tr>\n"
    b"<tr><td>9</td><td><a href='threadcreate?debug=1'>threadcreate</a></td></tr>"
)
_MODULE: Final = (
    "path\texample.com/orders\nmod\texample.com/orders\t(devel)\t\ndep\ta.b/c\tv1.2.3\th1:x=\nbuild\t-race=true\n"
)


def executable(version: str = "go1.27.3", module: str = _MODULE) -> bytes:
    """An ELF file of 64 bits that has nothing but build information of Go."""
    mark = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6"
    blob = b"\xff Go buildinf:\x08\x02".ljust(32, b"\0")
    for text in (version.encode(), mark + module.encode() + mark):
        length = len(text)
        while length >= 0x80:
            blob += bytes([length & 0x7F | 0x80])
            length >>= 7
        blob += bytes([length]) + text
    names = b"\0.shstrtab\0.go.buildinfo\0"
    at_names, at_blob = 64, 64 + len(names)
    at_table = at_blob + len(blob)

    def section(name: int, offset: int, size: int) -> bytes:
        words = [(name, 4), (1, 4), (0, 8), (0, 8), (offset, 8), (size, 8), (0, 4), (0, 4), (0, 8), (0, 8)]
        return b"".join(value.to_bytes(width, "little") for value, width in words)

    header = b"\x7fELF\x02\x01\x01".ljust(0x28, b"\0") + at_table.to_bytes(8, "little")
    header = header.ljust(0x3A, b"\0") + b"".join(value.to_bytes(2, "little") for value in (64, 3, 1))
    table = section(0, 0, 0) + section(1, at_names, len(names)) + section(11, at_blob, len(blob))
    return header + names + blob + table


def _look(page: str, fields: dict[str, Any]) -> None:
    """As it would be told."""
    encode(sample_of(look_of(Who(), {page: fields}, {})))


def _expvar(data: bytes) -> None:
    with contextlib.suppress(NotGoPage):
        _look("expvar", fields_of_expvar(data))


def _heap(data: bytes) -> None:
    with contextlib.suppress(NotGoPage):
        _look("pprof heap", fields_of_heap_text(data))


def _metrics(data: bytes) -> None:
    with contextlib.suppress(NotGoPage):
        _look("metrics", fields_of_metrics(data))


def _index(data: bytes) -> None:
    _look("pprof index", fields_of_index(data))


def _birth(data: bytes) -> None:
    text = text_of(data)
    percent, limit = parse_percent(text), parse_limit(text)
    assert percent is None or percent >= -1
    assert limit is None or 0 <= limit <= 1 << 62

    def look(file: Path) -> None:
        with file.open("rb") as open_file:
            build_of(open_file.fileno())

    in_file(data, look)


TARGETS: Final = (
    Target(
        "go-expvar",
        _expvar,
        ("diagmesh.adapters.goruntime.memstats",),
        (b'{"cmdline":["x"],"goroutines":31,"memstats":{' + _MEMSTATS + b"}}", b'{"memstats":{"NumGC":1e400}}'),
    ),
    Target("go-heap", _heap, ("diagmesh.adapters.goruntime.memstats",), (_HEAP, gzip.compress(_HEAP))),
    Target("go-metrics", _metrics, ("diagmesh.adapters.goruntime.metrics",), (_METRICS, b"go_goroutines NaN\n")),
    Target("go-index", _index, ("diagmesh.adapters.goruntime.index",), (_INDEX,)),
    Target(
        "go-birth",
        _birth,
        ("diagmesh.adapters.goruntime.birth", "diagmesh.adapters.buildinfo"),
        (executable(), b"off", b"64MiB", b"-1", b"\x7fELF\x01\x02"),
    ),
)
