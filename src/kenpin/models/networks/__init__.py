"""Networks: backbones and what is done to them, adapters, probes, and the store of their features."""
