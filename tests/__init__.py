"""The tests, mirroring the source; a package so that they can share `tests.support`."""
