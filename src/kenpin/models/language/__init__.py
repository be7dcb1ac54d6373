"""What the families that answer in words share: the grammar of their answers, generation, and honest scores."""
