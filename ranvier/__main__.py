"""`python -m ranvier`: the homeserver."""

import sys

from ranvier.cli.start import main

if __name__ == "__main__":
    sys.exit(main())
