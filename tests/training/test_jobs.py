"""The table of jobs."""

import pytest

from training import jobs
from training.errors import UnknownJob


@pytest.mark.parametrize("name", jobs.JOBS)
def test_each_job_is_what_the_table_says_and_has_all_profiles(name: str) -> None:
    job = jobs.find(name)
    assert (job.name, job.word) == (name, jobs.JOBS[name].word)
    assert set(job.profiles) == {"quick", "full", "smoke"}
    for profile, changes in job.profiles.items():
        assert job.settings.model_validate({"profile": profile, **changes}).profile == profile


def test_an_unknown_job_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownJob, match="no job 'digits'; there are digits-cnn, digits-scratch,"):
        jobs.find("digits")
