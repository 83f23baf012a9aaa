"""Generates the package `pb` from `proto/pb/*.proto`; with `--check` says whether it is up to date.

Knows protoc and nothing of what the messages mean.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

PROTO = Path(__file__).parent
PACKAGE = PROTO.parent / "pb"
SUFFIXES = (".py", ".pyi")


class GenerationError(Exception):
    """protoc refused the sources; what it said is on standard error."""


def generate(target: Path) -> None:
    """Write modules and stubs for every source below `target`; raises GenerationError."""
    sources = sorted(path.relative_to(PROTO).as_posix() for path in (PROTO / "pb").glob("*.proto"))
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    well_known = files("grpc_tools") / "_proto"
    # In a process of its own: protoc crashes beside the protobuf library that TensorFlow brings along.
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"-I{well_known}", *outputs, *sources]
    status = subprocess.run(command, check=False).returncode  # noqa: S603  # our own arguments
    if status != 0:
        raise GenerationError(f"protoc ended with status {status}")


def differences(package: Path) -> list[str]:
    """Return the names of files in `package` that are missing, superfluous or not what would be generated."""
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory))
        wanted = _contents(Path(directory) / "pb")
    found = _contents(package)
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def _contents(package: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in package.glob("*")
        if path.suffix in SUFFIXES and path.stem.partition(".")[0] != "__init__"
    }


def main() -> int:
    """Generate, or check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare; fail on any difference")
    if not parser.parse_args().check:
        generate(PACKAGE.parent)
        return 0
    stale = differences(PACKAGE)
    for name in stale:
        sys.stderr.write(f"pb/{name} is not what proto/ gives: run `make proto`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
