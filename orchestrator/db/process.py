"""Making child processes end with their owner.

Run as a script (`python -I -S process.py UID GID SIGNAL PARENT PROGRAM ARGS…`) it changes to that user, asks for the
signal and becomes the program: the same as a `preexec_fn`, without running Python between fork and exec of a process
that has threads. UID and GID of -1 keep the user.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def set_parent_death_signal(signum: int = signal.SIGTERM, *, parent: int | None = None) -> None:
    """Ask the kernel to send `signum` to this process when the thread that started it ends.

    Call it in the child, first thing in its `main`; the starting thread should be the parent's main thread. A change
    of user clears the setting. Given `parent`, the pid of the expected parent, a child whose parent is already gone
    exits at once. Does nothing on systems other than Linux.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def _become(uid: int, gid: int, signum: int, parent: int, argv: list[str]) -> None:
    if gid >= 0:
        os.setgroups([])
        os.setgid(gid)
    if uid >= 0:
        os.setuid(uid)
    set_parent_death_signal(signum, parent=parent)
    os.execv(argv[0], argv)  # noqa: S606 - the program is chosen by our own code


if __name__ == "__main__":
    _uid, _gid, _signum, _parent = map(int, sys.argv[1:5])
    _become(_uid, _gid, _signum, _parent, sys.argv[5:])
