"""Many pictures on several processes or machines, by Ray: pieces of a data set out, shards of results back."""

from kenpin.cluster.examining import examine_on
from kenpin.cluster.pieces import contents_on
from kenpin.cluster.predicting import ClusterPredictor
from kenpin.cluster.starting import Cluster, cluster_at

__all__ = ["Cluster", "ClusterPredictor", "cluster_at", "contents_on", "examine_on"]
