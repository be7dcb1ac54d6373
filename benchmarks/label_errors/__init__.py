"""Planted label errors: how many of them kenpin and cleanlab put among the first suspects, on the same features.

cleanlab brings pandas of its own version, so it lives in an environment of its own, which kenpin never needs:

    python -m venv .venv-cleanlab
    .venv-cleanlab/bin/pip install cleanlab==2.9.0
    python -m benchmarks.label_errors.compare --python .venv-cleanlab/bin/python

That writes RESULTS.md beside this file, within ten minutes.
"""
