"""Operating: what people do about sources and sinks that stand still, each deed an entry of the trail."""
