#!/usr/bin/env bash
# Gathers into DEST what kenpin needs on a CUDA machine without network that has Python 3.12, PyTorch, NumPy, SciPy,
# scikit-learn, pandas, pyarrow, Pillow and the like: 44 MiB in the versions of constraints.txt.
# usage: benchmarks/gpu/wheels.sh DEST [CUDA]; EXTRA="name …" adds some. CUDA: 130 unless told; bitsandbytes is taken for
# that version alone, since its wheel holds the code of all.
# There: python3 -m pip install -q --no-index --no-deps --no-compile --target SITE DEST/*.whl
#        python3 -m zipfile -e DEST/bitsandbytes.zip SITE
#        PYTHONPATH=SITE:src python3 benchmarks/gpu.py
set -euo pipefail
dest=$1 cuda=${2:-130}
names="accelerate annotated-types bitsandbytes cyclopts datasets defusedxml dill docstring-parser faster-coco-eval httpcore2 httpx2
huggingface-hub imagehash kornia kornia-rs llguidance multiprocess peft pydantic pydantic-core pydeprecate pytorch-metric-learning
pywavelets rich-rst supervision tokenizers transformers truststore typing-inspection ${EXTRA:-}"
platforms=$(printf -- '--platform manylinux_2_%s_x86_64 ' 17 24 27 28 31 34 35)
mkdir -p "$dest"
for name in $names; do
  pinned=$(grep -i "^${name//-/[-_]}==" constraints.txt | head -n 1 || true)
  # shellcheck disable=SC2086 # several words
  python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 --implementation cp $platforms \
    --platform manylinux2014_x86_64 --platform manylinux1_x86_64 -d "$dest" "${pinned:-$name}" ||
    echo "not found: ${pinned:-$name}" >&2
done
python3 - "$dest" "$cuda" <<'PYTHON'
import sys, zipfile
from pathlib import Path

dest, cuda = Path(sys.argv[1]), sys.argv[2]
for wheel in dest.glob("bitsandbytes-*.whl"):
    with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(dest / "bitsandbytes.zip", "w", zipfile.ZIP_DEFLATED) as part:
        for name in whole.namelist():
            if not name.endswith(".so") or name.endswith((f"_cuda{cuda}.so", "_cpu.so")):
                part.writestr(name, whole.read(name))
    wheel.unlink()
PYTHON
du -cm "$dest"/* | tail -n 1
