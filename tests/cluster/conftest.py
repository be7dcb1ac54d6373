"""A cluster of this machine's own, started once for all tests that work on one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kenpin.cluster import Cluster, cluster_at


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    with cluster_at("local", workers=2) as cluster:
        yield cluster
