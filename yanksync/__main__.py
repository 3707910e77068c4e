"""``python -m yanksync`` is the console script ``yanksync``."""

import gc
import signal

_YOUNG = 50_000  # objects


def main() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Python's own handler would print where in our modules Ctrl-C came.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The collector looks for cycles, of which we make few, each time so many objects have come. By
    # default that is 700: every few pages, and thirty times before the first line is run.
    gc.set_threshold(_YOUNG)
    from yanksync.cli import main as run

    try:
        run()
    finally:
        # The system takes the memory back, so looking for cycles in it would only cost time
        # (docs/design/decisions/speed.rst#decision-freeze).
        gc.freeze()


if __name__ == "__main__":
    main()
