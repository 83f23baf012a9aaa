"""Say where a run comes from: command, revision of the source, versions of the libraries.

Knows nothing of what is trained.
"""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("tensorflow", "keras", "numpy", "scikit-learn", "tokenizers")


def command(arguments: Sequence[str]) -> str:
    """Return the command line that repeats this training."""
    return shlex.join(["python", "-m", "training", *arguments])


def revision() -> str:
    """Return the commit of the source, with `+changes` where files differ from it; `unknown` without git."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    root = Path(__file__).parent

    def ask(*words: str) -> str | None:
        answer = subprocess.run(  # noqa: S603  # a literal command
            [git, "-C", str(root), *words], capture_output=True, text=True, check=False, timeout=30
        )
        return answer.stdout.strip() if answer.returncode == 0 else None

    commit = ask("rev-parse", "HEAD")
    if not commit:
        return "unknown"
    return commit + ("+changes" if ask("status", "--porcelain", "--untracked-files=no", "--", ".") else "")


def libraries() -> dict[str, str]:
    """Return the versions that decide what a training computes, Python's included."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
