"""`python -m mimviz.lab` is the `mimviz` command."""

import sys

from .cli import main

sys.exit(main())
