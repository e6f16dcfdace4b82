"""aria2c as a driver, through its JSON-RPC. `settings` are options by their long names."""

import base64
import json
import pathlib
import urllib.request

import daemon

RPC = "http://127.0.0.1:6800/jsonrpc"

start, folder = daemon.start, daemon.folder
address = start["v4" if start["family"] == "v4" else "v6"]
options = {
    "enable-rpc": "true",
    "rpc-listen-port": 6800,
    "listen-port": start["port"],
    "interface": address,
    "disable-ipv6": "false",
    # Its UDP trackers go with its DHT; nobody is there to enter that by.
    "enable-dht": "true",
    "dht-listen-port": start["port"],
    "dht-file-path": folder / "dht.dat",
    "dht-file-path6": folder / "dht6.dat",
    "bt-enable-lpd": "false",
    "enable-peer-exchange": "false",
    "file-allocation": "none",
    "check-integrity": "true",
    "allow-overwrite": "true",
    "seed-ratio": "0.0",
    # Nothing beside the content in its folder.
    "rpc-save-upload-metadata": "false",
    "auto-save-interval": 0,
    "max-overall-upload-limit": start["upload_limit"],
    "log": folder / "aria2.log",
    "log-level": "info",
    "console-log-level": "warn",
    "show-console-readout": "false",
}
gids = []


def rpc(method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": "1", "method": f"aria2.{method}", "params": params}).encode()
    with urllib.request.urlopen(urllib.request.Request(RPC, body), timeout=20) as response:
        return json.load(response)["result"]


def version():
    return rpc("getVersion")["version"]


def add(torrent, dir):
    if torrent.startswith("magnet:"):
        gids.append(rpc("addUri", [torrent], {"dir": dir}))
        return
    metainfo = base64.b64encode(pathlib.Path(torrent).read_bytes()).decode()
    gids.append(rpc("addTorrent", metainfo, [], {"dir": dir}))


def told():
    told = rpc("tellStatus", gids[0])
    # The metadata of a magnet is a download of its own.
    if "followedBy" in told:
        gids[0] = told["followedBy"][0]
        told = rpc("tellStatus", gids[0])
    if told["status"] in ("error", "removed"):
        raise RuntimeError(f"{told['status']}: {told.get('errorMessage')}")
    return told


def has_all():
    now = told()
    checking = "verifyIntegrityPending" in now or "verifiedLength" in now
    is_metadata = now.get("bittorrent", {}).get("info") is None
    return not checking and not is_metadata and now["seeder"] == "true"


def status():
    now = told()
    return {
        "downloaded": int(now["completedLength"]),
        "uploaded": int(now["uploadLength"]),
        "peers": int(now["connections"]),
        "message": now.get("errorMessage", ""),
    }


daemon.run(
    ["--no-conf", *(f"--{name}={value}" for name, value in {**options, **start["settings"]}.items())],
    version,
    {"version": version, "add": add, "has_all": has_all, "status": status},
)
