"""Reviews: which parts people look at, in which order, and what their verdicts tell about the line."""
