"""How a command begins in either driver, so that it means the same in both.

/bin/sh goes to the working directory and becomes the command: 127 for one that is not found, 126 for one that cannot
be run or has nowhere to run, a script without `#!` runs in the shell.
"""

from __future__ import annotations

ENTER_SCRIPT = 'cd -- "$1" || exit 126; shift; unset OLDPWD; exec "$@"'
"""To be called with the working directory and the command's words."""
