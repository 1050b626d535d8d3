"""``python -m thetaprime``."""

import sys

from thetaprime.cli import main

if __name__ == "__main__":
    sys.exit(main())
