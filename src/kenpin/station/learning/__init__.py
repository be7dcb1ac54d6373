"""Learning: data sets of what people decided, frozen; trainings as jobs; and what became of both."""
