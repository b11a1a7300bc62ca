"""The process that ends the parts of a supervisor that is gone, however it went.

Each part is started in one process group. This process waits on a pipe whose other end the supervisor alone holds, and
which the kernel closes when the supervisor ends, killed or not. Then it ends the group. The file runs as a script, with
the standard library alone, so that it is small and quick.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time

_GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.1


class Guard:
    """A guard, as its supervisor sees it. `group` is the process group for what it is to end."""

    def __init__(self) -> None:
        """Start the process."""
        # -I and -S: nothing of ours nor of the site is needed.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A terminal's Ctrl-C is for the supervisor. In another session no group could be joined.
            process_group=0,
        )
        assert self._process.stdout is not None
        self.group = int(self._process.stdout.readline())

    @property
    def alive(self) -> bool:
        """Whether it still watches."""
        return self._process.poll() is None

    def close(self) -> None:
        """End what is left of the group, and wait until that is done."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        if self._process.wait() < 0:
            end_group(self.group, 0.0)


def end_group(group: int, grace_seconds: float) -> None:
    """Ask every process of a group to end, and end those that do not."""
    deadline = time.monotonic() + grace_seconds
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        while time.monotonic() < deadline:
            _reap()
            os.killpg(group, 0)
            time.sleep(_POLL_SECONDS)
        os.killpg(group, signal.SIGKILL)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def main() -> None:
    """Make the group, name it on standard output, wait for the supervisor's end, and end the group."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # The group lives as long as one process is in it, and this one must not end itself.
    keeper = os.fork()
    if keeper == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(sys.stdin.fileno())
        os.close(sys.stdout.fileno())
        while True:
            signal.pause()
    # Also by this process, so that the group is there when it is named.
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpgid(keeper, keeper)
    sys.stdout.write(f"{keeper}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    end_group(keeper, _GRACE_SECONDS)


if __name__ == "__main__":
    main()
