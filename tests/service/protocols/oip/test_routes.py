import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.protocols.oip.routes import METHODS, Route, find


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v2", Route("server")),
        ("/v2/", Route("server")),
        ("/v2/health/live", Route("live")),
        ("/v2/models/m", Route("model", "m")),
        ("/v2/models/m/versions/3", Route("model", "m", "3")),
        ("/v2/models/m/versions/3/infer", Route("infer", "m", "3")),
        ("/v2/models/versions/infer", Route("infer", "versions")),
        ("/v2/models/stats", Route("all_statistics")),
        ("/v2/models/stats/stats", Route("statistics", "stats")),
        ("/v2/models/m/trace/setting", Route("model_trace", "m")),
        ("/v2/repository/models/m/unload", Route("unload", "m")),
        ("/v2/models", None),
        ("/v2/models/m/versions", None),
        ("/v2/models/m/versions/", None),
        ("/v2/models//infer", None),
        ("/v2/models/m/versions/3/trace/setting", None),
        ("/v2/health", None),
    ],
)
def test_a_path_means_an_action_and_a_model(path: str, route: Route | None) -> None:
    assert find(path) == route


@given(
    st.lists(
        st.sampled_from(["models", "m", "versions", "1", "infer", "stats", "", "repository", "load", "é"])
    )
)
def test_any_path_is_a_known_action_or_none(parts: list[str]) -> None:
    found = find("/v2/" + "/".join(parts))
    assert found is None or found.action in METHODS
