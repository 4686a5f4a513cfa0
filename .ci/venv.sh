# Sourced by lab.sh and test.sh: a virtual environment in .venv with mimviz in it. `root` is the folder of the checkout.

export NODE_USE_SYSTEM_CA=1 # as pip does; where a network has certificates of its own, npm would hang without

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

is_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

find_python() {
  local name
  for name in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
    if [ -n "$name" ] && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  fail "no Python 3.11 or newer found. Debian 12 has one (apt install python3 python3-venv); or name yours: PYTHON=/path/to/python3 $0"
}

make_venv() {
  local python
  "$root/.venv/bin/python" -m pip --version >/dev/null 2>&1 && return
  python="$(find_python)"
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then # Debian keeps it in a package of its own
    is_root || fail "$python cannot make virtual environments. Run: sudo apt install python3-venv"
    apt-get update -q && apt-get install -y -q python3-venv
  fi
  echo "== virtual environment $root/.venv with $("$python" --version)"
  "$python" -m venv --clear "$root/.venv"
  "$root/.venv/bin/python" -m pip install --quiet --upgrade pip
}

# install_mimviz WHAT...: what pip shall install; nothing is done when that is there and no source is newer.
install_mimviz() {
  local stamp="$root/.venv/mimviz-installed" python="$root/.venv/bin/python" newer
  make_venv
  if [ "$(cat "$stamp" 2>/dev/null)" = "$*" ]; then
    newer="$(cd "$root" && find pyproject.toml mimviz notebooks widgets -name node_modules -prune -o -name static -prune \
      -o -type f -newer "$stamp" -not -path '*/__pycache__/*' -print -quit)"
    [ -n "$newer" ] || return 0
  fi
  echo "== pip install $* (the first time a few minutes, most of them for torch)"
  (cd "$root" && "$python" -m pip install "$@") | { grep -v '^Requirement already satisfied' || true; }
  if ! "$python" -c 'import torchvision' 2>/dev/null; then # a +cpu torch of a local index fits no torchvision of PyPI
    echo "== torch and torchvision do not fit each other; taking the newest of both"
    "$python" -m pip install --upgrade torch torchvision
    "$python" -c 'import torchvision' || fail "torch and torchvision do not fit; see above. Remove .venv and try again without your own package index"
  fi
  echo "$*" >"$stamp"
}
