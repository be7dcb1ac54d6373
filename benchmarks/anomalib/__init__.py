"""Unit spaces of places against anomalib's PaDiM and PatchCore, on the same weights and pictures.

anomalib brings torchvision and another torch, so it lives in an environment of its own, which kenpin never needs:

    python -m venv .venv-anomalib
    .venv-anomalib/bin/pip install anomalib==2.7.0
    python benchmarks/anomalib/compare.py --python .venv-anomalib/bin/python --threads 1

That writes RESULTS.md beside this file, within twenty minutes.
"""
