"""`python -m terminal_task_gen` is `ttg`."""

from __future__ import annotations

from terminal_task_gen.cli.main import main

if __name__ == "__main__":
    main()
