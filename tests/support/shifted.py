"""A shifted clock for one process: the wall clock has no namespace, so a small library is laid under its reads."""

import subprocess
from pathlib import Path
from typing import Final

from support.compiler import c_compiler

__all__ = ["shifted_clock"]

_BUILD_S: Final = 60.0
_SOURCE: Final = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long shift(void) {
    const char *text = getenv("SHIFT_S");
    return text ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *into) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, into);
    if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) into->tv_sec += shift();
    return result;
}

int gettimeofday(struct timeval *into, void *zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    into->tv_sec = now.tv_sec;
    into->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return (time_t)-1;
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}
"""


def shifted_clock(directory: Path, shift_s: int) -> dict[str, str]:
    """The environment in which a process has a wall clock that is ahead of ours by so many seconds.

    Without a C compiler the test is skipped; with ``CI=true`` it fails.
    """
    compiler = c_compiler()
    source, library = directory / "shifted.c", directory / "shifted.so"
    source.write_text(_SOURCE, encoding="utf-8")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_S, check=False)
    assert done.returncode == 0, done.stderr
    return {"LD_PRELOAD": str(library), "SHIFT_S": str(shift_s)}
