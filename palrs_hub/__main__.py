"""``python -m palrs_hub``: the command line, where the console script is not on the path."""

import sys

from palrs_hub.cli import main

if __name__ == "__main__":
    sys.exit(main())
