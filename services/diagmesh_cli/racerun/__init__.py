"""Running Go code under the race detector: the toolchain, one run of it, and what that run told."""
