"""What the tests share: real servers, the Go toolchain, processes that are always ended."""
