"""Chat models that look at pictures: what their family is made of."""
