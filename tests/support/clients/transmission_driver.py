"""transmission-daemon as a driver: starts it, passes commands to its RPC, ends it.

Arguments: the daemon's program, its folder, its settings as JSON. The folder keeps settings.json and the log.
"""

import json
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

from driver import emit, serve

RPC = "http://127.0.0.1:9091/transmission/rpc"
SESSION_ID = "X-Transmission-Session-Id"
# What it may take to write its state down; the rest of the wait is for trackers that are gone too.
GOODBYE_SECONDS = 2

program, folder, settings = sys.argv[1], pathlib.Path(sys.argv[2]), json.loads(sys.argv[3])
headers = {"Content-Type": "application/json"}


def rpc(method, arguments):
    body = json.dumps({"method": method, "arguments": arguments}).encode()
    request = urllib.request.Request(RPC, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise
        # The first call learns the id that all others must carry.
        headers[SESSION_ID] = error.headers[SESSION_ID]
        return rpc(method, arguments)
    if answer["result"] != "success":
        raise RuntimeError(answer["result"])
    return answer["arguments"]


def alive():
    """Whether the daemon answers yet; an error once it has gone."""
    if daemon.poll() is not None:
        raise RuntimeError(f"ended with {daemon.returncode}")
    try:
        rpc("session-get", {"fields": ["version"]})
    except urllib.error.URLError:
        return False
    return True


folder.mkdir(parents=True, exist_ok=True)
(folder / "settings.json").write_text(json.dumps(settings, indent=1))
daemon = subprocess.Popen(
    [program, "--foreground", "--config-dir", folder, "--logfile", folder / "transmission.log", "--log-debug"],
    stdin=subprocess.DEVNULL,
    stdout=sys.stderr,
)
try:
    serve({"alive": alive, "rpc": rpc})
finally:
    daemon.terminate()
    try:
        daemon.wait(GOODBYE_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
    emit("ended", code=daemon.returncode)
