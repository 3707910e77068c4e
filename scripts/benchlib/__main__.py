"""``python -m benchlib``: see scripts/bench."""

import sys

from .cli import main

sys.exit(main())
