"""The demonstration: a station on made parts of two products, with made people who review some of them."""
