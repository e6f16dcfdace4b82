"""A client that runs as a daemon beside its driver: started, asked whether it lives, ended.

The driver's argument is JSON: `program`, `folder` (the client's own), `v4`, `v6` and `family` (where it runs), `port`,
`upload_limit` (bytes per second, 0 for none), and `settings`, more settings of the client's own.

Each driver answers the same commands: `alive`, `version`, `pid`, `add`, `has_all`, `status` and, where the client can,
`connect`.
"""

import json
import pathlib
import subprocess
import sys

from driver import emit, serve

# What a client may take to write its state down; the rest of the wait is for trackers that are gone too.
GOODBYE_SECONDS = 2

start = json.loads(sys.argv[1])
folder = pathlib.Path(start["folder"])
folder.mkdir(parents=True, exist_ok=True)


def run(arguments, ping, commands, environment=None):
    """Starts the program with `arguments` and serves `commands`; `ping` is a call that a client answers once it is up."""
    daemon = subprocess.Popen(
        [start["program"], *arguments], env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=sys.stderr
    )

    def alive():
        """Whether the daemon answers yet; an error once it has gone."""
        if daemon.poll() is not None:
            raise RuntimeError(f"ended with {daemon.returncode}")
        try:
            ping()
        except OSError:
            return False
        return True

    try:
        serve({"alive": alive, "pid": lambda: daemon.pid, **commands})
    finally:
        daemon.terminate()
        try:
            daemon.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        emit("ended", code=daemon.returncode)
