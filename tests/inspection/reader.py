"""Reads a journal over and over while it is written, until its standard input is closed; tells how often and how far.

Usage: python -m tests.inspection.reader JOURNAL
"""

from __future__ import annotations

import json
import select
import sys
from pathlib import Path

from kenpin.inspection.journal import read_records

if __name__ == "__main__":
    journal, rounds, counts = Path(sys.argv[1]), 0, [0]
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        if journal.exists():
            keys = [(record.id, record.picture_hash) for record in read_records(journal)]
            assert len(keys) == len(set(keys)), "a part has two records"
            assert len(keys) >= counts[-1], "a record is gone"
            counts.append(len(keys))
            rounds += 1
    print(json.dumps({"rounds": rounds, "different": len(set(counts))}))
