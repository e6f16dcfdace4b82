"""transmission-daemon as a driver, through its RPC. `settings` are those of settings.json, and `dht-bootstrap`: lines
of nodes to begin with.
"""

import base64
import json
import pathlib
import urllib.error
import urllib.request

import daemon

RPC = "http://127.0.0.1:9091/transmission/rpc"
SESSION_ID = "X-Transmission-Session-Id"
# Waits to seed, seeds.
SEEDS = (5, 6)

start, folder = daemon.start, daemon.folder
headers = {"Content-Type": "application/json"}
settings = {
    "bind-address-ipv4": start["v4"],
    "bind-address-ipv6": start["v6"],
    "peer-port": start["port"],
    "rpc-bind-address": "127.0.0.1",
    "rpc-port": 9091,
    "rpc-whitelist-enabled": False,
    "rpc-host-whitelist-enabled": False,
    "dht-enabled": False,
    "pex-enabled": False,
    "lpd-enabled": False,
    "utp-enabled": False,
    "port-forwarding-enabled": False,
    "encryption": 0,
    "download-queue-enabled": False,
    "upload-slots-per-torrent": 64,
    "rename-partial-files": False,
    "preallocation": 0,
    "speed-limit-up": start["upload_limit"] // 1000,
    "speed-limit-up-enabled": start["upload_limit"] > 0,
}


def rpc(method, **arguments):
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
        return rpc(method, **arguments)
    if answer["result"] != "success":
        raise RuntimeError(answer["result"])
    return answer["arguments"]


def version():
    return rpc("session-get", fields=["version"])["version"].split()[0]


def add(torrent, dir):
    if torrent.startswith("magnet:"):
        source = {"filename": torrent}
    else:
        source = {"metainfo": base64.b64encode(pathlib.Path(torrent).read_bytes()).decode()}
    rpc("torrent-add", **source, **{"download-dir": dir, "paused": False})


def has_all():
    fields = ["status", "leftUntilDone", "errorString", "metadataPercentComplete"]
    torrent = rpc("torrent-get", fields=fields)["torrents"][0]
    if torrent["metadataPercentComplete"] < 1:
        return False
    if "No data found" in torrent["errorString"]:
        raise RuntimeError(torrent["errorString"])
    return torrent["status"] in SEEDS and torrent["leftUntilDone"] == 0


def status():
    torrent = rpc("torrent-get", fields=["downloadedEver", "uploadedEver", "peersConnected", "errorString"])["torrents"][0]
    return {
        "downloaded": torrent["downloadedEver"],
        "uploaded": torrent["uploadedEver"],
        "peers": torrent["peersConnected"],
        "message": torrent["errorString"],
    }


def is_complete(info_hash):
    # None where it does not have the torrent yet.
    torrents = rpc("torrent-get", ids=[info_hash], fields=["percentDone"])["torrents"]
    return any(torrent["percentDone"] == 1 for torrent in torrents)


settings |= start["settings"]
(folder / "dht.bootstrap").write_text("".join(f"{line}\n" for line in settings.pop("dht-bootstrap", [])))
(folder / "settings.json").write_text(json.dumps(settings, indent=1))
daemon.run(
    ["--foreground", "--config-dir", folder, "--logfile", folder / "transmission.log", "--log-debug"],
    version,
    {"version": version, "add": add, "has_all": has_all, "status": status, "is_complete": is_complete},
)
