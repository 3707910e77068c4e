"""``python -m yanksync`` is the console script ``yanksync``."""

from yanksync.cli import main

if __name__ == "__main__":
    main()
