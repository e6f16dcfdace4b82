"""qbittorrent-nox as a driver, through its web API. `settings` are those of qBittorrent.conf as `section/key`."""

import json
import os
import pathlib
import secrets
import urllib.parse
import urllib.request

import daemon

API = "http://127.0.0.1:8080/api/v2/"
# Uploads, or would if anybody asked.
SEEDS = ("uploading", "stalledUP", "forcedUP")

start, folder = daemon.start, daemon.folder
own = dict(start["settings"])
# For its only torrent.
sequential = own.pop("sequential", False)
settings = {
    # Else it asks on the terminal.
    "LegalNotice/Accepted": "true",
    "Preferences/WebUI\\Address": "127.0.0.1",
    "Preferences/WebUI\\LocalHostAuth": "false",
    "Preferences/WebUI\\CSRFProtection": "false",
    "Preferences/WebUI\\HostHeaderValidation": "false",
    "BitTorrent/Session\\Port": start["port"],
    "BitTorrent/Session\\InterfaceAddress": start["v4" if start["family"] == "v4" else "v6"],
    "BitTorrent/Session\\DHTEnabled": "false",
    "BitTorrent/Session\\LSDEnabled": "false",
    "BitTorrent/Session\\PeXEnabled": "false",
    "BitTorrent/Session\\Encryption": 2,
    "BitTorrent/Session\\BTProtocol": "TCP",
    "BitTorrent/Session\\QueueingSystemEnabled": "false",
    "BitTorrent/Session\\AddTorrentPaused": "false",
    "BitTorrent/Session\\GlobalUPSpeedLimit": start["upload_limit"] // 1024,
    "Network/PortForwardingEnabled": "false",
}


def call(what, body=None, kind="application/x-www-form-urlencoded"):
    request = urllib.request.Request(API + what, body, {"Content-Type": kind} if body else {})
    with urllib.request.urlopen(request, timeout=20) as response:
        return response.read().decode()


def version():
    return call("app/version").lstrip("v")


def add(torrent, dir):
    """As a browser posts a form."""
    mark = secrets.token_hex(16)
    parts = [('name="savepath"', str(dir).encode())]
    parts += [('name="sequentialDownload"', str(sequential).lower().encode())]
    parts += [('name="torrents"; filename="t.torrent"', pathlib.Path(torrent).read_bytes())]
    body = b"".join(
        f"--{mark}\r\nContent-Disposition: form-data; {name}\r\n\r\n".encode() + value + b"\r\n" for name, value in parts
    )
    answer = call("torrents/add", body + f"--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}")
    if answer != "Ok.":
        raise RuntimeError(answer)


def info():
    """Its only torrent, once it has been added."""
    torrents = json.loads(call("torrents/info"))
    return torrents[0] if torrents else None


def has_all():
    torrent = info()
    if torrent and torrent["state"] in ("error", "missingFiles", "unknown"):
        raise RuntimeError(torrent["state"])
    return torrent is not None and torrent["state"] in SEEDS and torrent["amount_left"] == 0


def status():
    torrent = info()
    return {
        "downloaded": torrent["downloaded"],
        "uploaded": torrent["uploaded"],
        "peers": torrent["num_leechs"] + torrent["num_seeds"],
        "message": torrent["state"],
    }


def connect(ip, port):
    peer = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
    call("torrents/addPeers", urllib.parse.urlencode({"hashes": info()["hash"], "peers": peer}).encode())


sections = {}
for name, value in {**settings, **own}.items():
    section, key = name.split("/", 1)
    sections.setdefault(section, []).append(f"{key}={value}\n")
config = folder / "qBittorrent" / "config" / "qBittorrent.conf"
config.parent.mkdir(parents=True, exist_ok=True)
config.write_text("".join(f"[{section}]\n" + "".join(lines) + "\n" for section, lines in sections.items()))
daemon.run(
    [f"--profile={folder}", "--webui-port=8080"],
    version,
    {"version": version, "add": add, "has_all": has_all, "status": status, "connect": connect},
    {**os.environ, "HOME": str(folder)},
)
