"""The options of every command whose work a cluster may do, and the cluster for as long as the command lasts."""

# annotations of the options are evaluated here, not where a command inherits them: it may lack the names in them
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kenpin.cli._groups import RUN

if TYPE_CHECKING:
    from kenpin.cluster import Cluster


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)  # without slots: a command may have two parents of options
class ClusterOptions:
    """Where the work is done."""

    cluster: Annotated[
        str | None,
        Parameter(
            group=RUN,
            help="Have it done by workers of Ray: local, or the address of a cluster whose machines share these "
            "folders (extra `cluster`).",
        ),
    ] = None
    workers: Annotated[
        int | None, Parameter(group=RUN, help="Workers of the cluster, at most; by default one a core.")
    ] = None

    @contextmanager
    def started(self) -> "Iterator[Cluster | None]":
        """The cluster; None where none is asked for. Raises OptionError, MissingExtraError."""
        if self.cluster is None:
            if self.workers is not None:
                from kenpin.errors import OptionError

                raise OptionError("option `--workers` is for a cluster; give one with --cluster, or leave it out.")
            yield None
            return
        from kenpin.cluster import cluster_at

        with cluster_at(self.cluster, self.workers) as cluster:
            yield cluster
