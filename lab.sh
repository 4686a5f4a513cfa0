#!/usr/bin/env bash
# Install mimviz into .venv, once, and open JupyterLab on lesson 01. Words given here go to `mimviz lab` (try --help).
set -euo pipefail
root="$(cd "$(dirname "$0")" && pwd)"
source "$root/.ci/venv.sh"

[ -f "$root/.venv/mimviz-installed" ] && grep -q '^-e' "$root/.venv/mimviz-installed" || install_mimviz .
exec "$root/.venv/bin/mimviz" lab "$@"
