"""The last epoch on disk, so that a killed training goes on where it was.

Knows two files: `standing.json`, which is replaced whole, names the weights that belong to it. Weights
are written first and under a new name, so that a kill between the two leaves the pair before.
"""

from pathlib import Path

from pydantic import ValidationError

from training import atomic
from training.errors import RunError
from training.patience import Standing

STANDING = "standing.json"


def read(directory: Path) -> Standing:
    """Return where the training stands, which is at the beginning if there is no checkpoint."""
    try:
        return Standing.model_validate_json((directory / STANDING).read_bytes())
    except FileNotFoundError:
        return Standing()
    except (OSError, ValidationError) as error:
        raise RunError(f"checkpoint {directory / STANDING} cannot be read: {error}") from error


def weights(directory: Path, standing: Standing) -> Path:
    """Return the file of the weights and the optimizer that belong to `standing`."""
    return directory / f"epoch-{standing.epochs_done:04d}.weights.h5"


def write(directory: Path, standing: Standing) -> None:
    """Make `standing`, whose weights are already written, the last epoch; forget the ones before."""
    keep = weights(directory, standing)
    assert keep.exists(), "the weights are written before the standing that names them"
    atomic.write_text(directory / STANDING, standing.model_dump_json(indent=2) + "\n")
    for path in directory.glob("*.weights.h5"):
        if path != keep:
            path.unlink()
