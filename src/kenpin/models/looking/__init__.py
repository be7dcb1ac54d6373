"""Where a network looks: maps of what made a score, from gradients, attention and features."""
