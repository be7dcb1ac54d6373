"""Parts of family embedder: its networks, what they are trained for, their batches, and what vectors mean."""
