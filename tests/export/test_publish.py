import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from export.errors import PublishError
from export.publish import PREFIX, clean, next_version, publish, workspace

WORKER = """
import sys
from pathlib import Path
from export.publish import publish, workspace

def tell_and_wait(what):
    print(what, flush=True)
    sys.stdin.read()

def describe(directory, number):
    (directory / "manifest.json").write_text(str(number))
    if sys.argv[2] == "described":
        tell_and_wait("described")

with workspace(Path(sys.argv[1]), "model") as directory:
    if sys.argv[2] == "claimed":
        tell_and_wait("claimed")
    (directory / "variables").mkdir()
    (directory / "variables" / "data").write_bytes(bytes(1000))
    if sys.argv[2] == "written":
        tell_and_wait("written")
    publish(directory, None, describe)
"""


def describe(directory: Path, number: int) -> None:
    """Write what depends on the number."""
    (directory / "manifest.json").write_text(str(number))


def export(models: Path, version: int | None = None) -> Path:
    """Publish a version with nothing but its number in it."""
    with workspace(models, "model") as directory:
        return publish(directory, version, describe)


def start(models: Path, point: str) -> subprocess.Popen[bytes]:
    """Start an export in another process and return when it has come to `point`, where it waits."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(models), point], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    assert worker.stdout.readline().decode().strip() == point
    return worker


def kill(worker: subprocess.Popen[bytes]) -> None:
    """End it as a power cut would."""
    worker.send_signal(signal.SIGKILL)
    worker.communicate()


def names(models: Path) -> set[str]:
    """What lies beside the versions, and the versions."""
    return {path.name for path in (models / "model").iterdir()}


def test_versions_count_from_one(tmp_path: Path) -> None:
    assert [export(tmp_path).name for _ in range(3)] == ["1", "2", "3"]
    assert names(tmp_path) == {"1", "2", "3"}
    assert (tmp_path / "model" / "3" / "manifest.json").read_text() == "3"


def test_the_next_version_follows_the_highest_and_ignores_what_is_no_version(tmp_path: Path) -> None:
    for name in ("2", "11", "aliases.json", ".tmp-left", "3.bak"):
        (tmp_path / name).mkdir()
    assert next_version(tmp_path) == 12


def test_a_version_can_be_asked_for_once(tmp_path: Path) -> None:
    assert export(tmp_path, version=7).name == "7"
    with pytest.raises(PublishError, match="version 7 exists"):
        export(tmp_path, version=7)
    assert names(tmp_path) == {"7"}


def test_a_number_taken_meanwhile_is_passed_by_and_the_next_is_described(tmp_path: Path) -> None:
    numbers: list[int] = []

    def describe_late(directory: Path, number: int) -> None:
        numbers.append(number)
        describe(directory, number)
        if number == 1:
            export(tmp_path)

    with workspace(tmp_path, "model") as directory:
        published = publish(directory, None, describe_late)
    assert numbers == [1, 2]
    assert (published / "manifest.json").read_text() == "2"


def test_until_it_is_published_nobody_sees_a_version(tmp_path: Path) -> None:
    with workspace(tmp_path, "model") as directory:
        assert directory.parent == tmp_path / "model"
        assert directory.name.startswith(".")
        assert {name for name in names(tmp_path) if not name.startswith(".")} == set()


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    def fail(directory: Path, number: int) -> None:
        describe(directory, number)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), workspace(tmp_path, "model") as directory:
        publish(directory, None, fail)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("point", ["claimed", "written", "described"])
def test_a_kill_leaves_no_version_and_the_next_export_removes_the_rest(tmp_path: Path, point: str) -> None:
    kill(start(tmp_path, point))
    (left,) = names(tmp_path)
    assert left.startswith(PREFIX)
    assert export(tmp_path).name == "1"
    assert names(tmp_path) == {"1"}


def test_the_workspace_of_an_export_that_still_runs_is_left_alone(tmp_path: Path) -> None:
    worker = start(tmp_path, "written")
    (theirs,) = names(tmp_path)
    assert export(tmp_path).name == "1"
    assert names(tmp_path) == {"1", theirs}
    worker.communicate(b"")
    assert worker.returncode == 0
    assert names(tmp_path) == {"1", "2"}
    assert (tmp_path / "model" / "2" / "manifest.json").read_text() == "2"


def test_many_exports_at_once_each_get_a_number_of_their_own(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        published = pool.map(export, [tmp_path] * 12)
    assert sorted(int(path.name) for path in published) == list(range(1, 13))
    assert all((path / "manifest.json").read_text() == path.name for path in published)
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_cleaning_does_not_touch_what_is_no_workspace(tmp_path: Path) -> None:
    for name in ("1", ".hidden", f"{PREFIX}left"):
        (tmp_path / name).mkdir()
    (tmp_path / f"{PREFIX}file").write_text("no directory")
    clean(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"1", ".hidden", f"{PREFIX}file"}


def test_a_repository_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(PublishError, match="cannot be written to: Not a directory"):
        export(tmp_path / "models")


def test_a_disk_that_fills_up_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="No space left"), workspace(tmp_path, "model"):
        raise OSError(28, "No space left on device")
    assert names(tmp_path) == set()
