from pathlib import Path

from proto import generate


def test_the_package_is_what_its_sources_give() -> None:
    assert generate.differences(generate.PACKAGE) == []


def test_a_stale_a_missing_and_a_superfluous_file_are_found(tmp_path: Path) -> None:
    generate.generate(tmp_path)
    package = tmp_path / "pb"
    assert generate.differences(package) == []
    (package / "tasks_pb2.py").write_text("stale")
    (package / "tasks_pb2.pyi").unlink()
    (package / "old_pb2.py").write_text("superfluous")
    assert generate.differences(package) == ["old_pb2.py", "tasks_pb2.py", "tasks_pb2.pyi"]
