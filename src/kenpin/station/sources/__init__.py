"""Sources: where parts come from, each in a thread of its own that never stops the others."""
