"""`python -m ranvier.app.admin_cmd`: the name by which manuals know it. The program is `ranvier.cli.admin_cmd`."""

import sys

if __name__ == "__main__":
    from ranvier.cli.admin_cmd import main

    sys.exit(main())
