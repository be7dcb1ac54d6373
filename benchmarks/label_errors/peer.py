"""cleanlab's side: ranks labels by confident learning; reads and writes .npz, and imports nothing of kenpin."""

from __future__ import annotations

import sys
import time

import numpy as np


def main(source: str, target: str) -> None:
    """Rank each row of labels in `source`: its issues first, by their self-confidence, then the rest."""
    from cleanlab.classification import CleanLearning  # type: ignore[import-not-found]
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = np.load(source)
    orders, seconds = [], []
    for labels in data["labels"]:
        started = time.perf_counter()
        # what its tutorials do with features of a network: logistic regression, five folds
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        issues = CleanLearning(model, cv_n_folds=5, seed=0).find_label_issues(data["features"], labels)
        quality = issues["label_quality"].to_numpy() - 2.0 * issues["is_label_issue"].to_numpy()
        orders.append(np.argsort(quality, kind="stable"))
        seconds.append(time.perf_counter() - started)
    np.savez(target, orders=orders, seconds=seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
