"""`python -m ranvier`: the homeserver and its commands."""

import sys

from ranvier.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
