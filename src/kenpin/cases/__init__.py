"""The library of known cases: pictures' vectors with what people said of them, and the search for wanted ones."""
