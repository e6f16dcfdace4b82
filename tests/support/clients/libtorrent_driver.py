"""A libtorrent session as a driver. `settings` are libtorrent's (daemon.py has what else it is told)."""

import json
import os
import sys
import threading
import time

import libtorrent as lt

from driver import emit, serve

start = json.loads(sys.argv[1])
address = f"[{start['v6']}]" if start["family"] == "v6" else start["v4"]
# Nothing of the outside, and no queueing: what a test adds runs at once.
SETTINGS = {
    "listen_interfaces": f"{address}:{start['port']}",
    "outgoing_interfaces": start[start["family"]],
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "upload_rate_limit": start["upload_limit"],
    "alert_mask": lt.alert.category_t.status_notification
    | lt.alert.category_t.error_notification
    | lt.alert.category_t.storage_notification
    | lt.alert.category_t.tracker_notification
    | lt.alert.category_t.dht_operation_notification,
}

settings = {**SETTINGS, **start["settings"]}
sequential = settings.pop("sequential", False)
session = lt.session(settings)
adding = threading.Lock()
added = []  # its only torrent: (handle, time of adding)
flush_asked = False
flushed = threading.Event()
found = {}  # hex of an info-hash -> peers that the DHT named
looked_up = {}  # hex of an info-hash -> when it was searched for last
LOOK_UP_SECONDS = 15


def add(torrent, dir):
    params = lt.parse_magnet_uri(torrent) if torrent.startswith("magnet:") else lt.load_torrent_file(torrent)
    params.save_path = dir
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    if sequential:
        params.flags |= lt.torrent_flags.sequential_download
    now = time.monotonic()
    # Held for the alerts, which may come before this line is done.
    with adding:
        added.append((session.add_torrent(params), now))


def has_all():
    """All is there, checked or downloaded, and has been written to its files."""
    global flush_asked
    handle, _ = added[0]
    if handle.status().is_seeding and not flush_asked:
        flush_asked = True
        handle.flush_cache()
    return flushed.is_set()


def status():
    now = added[0][0].status()
    return {
        "downloaded": now.total_payload_download,
        "uploaded": now.total_payload_upload,
        "peers": now.num_peers,
        "message": str(now.state),
    }


def serve_peers(serve):
    session.apply_settings({"unchoke_slots_limit": 8 if serve else 0})


def connect(ip, port):
    added[0][0].connect_peer((ip, port))


def nodes():
    """Nodes of the DHT that it knows."""
    return session.status().dht_nodes


def look_up(info_hash):
    """Searches the DHT for peers, of a torrent that it need not have; again after a while, as nodes ignore who floods."""
    now = time.monotonic()
    if now < looked_up.get(info_hash, 0) + LOOK_UP_SECONDS:
        return
    looked_up[info_hash] = now
    session.dht_get_peers(lt.sha1_hash(bytes.fromhex(info_hash)))


def found_peers(info_hash):
    return sorted(found.get(info_hash, ()))


def announce_to_dht(info_hash):
    session.find_torrent(lt.sha1_hash(bytes.fromhex(info_hash))).force_dht_announce()


def make_hybrid(content, tracker, to):
    """Makes a torrent of both versions (BEP 52), and says by which hashes it is known."""
    files = lt.list_files(content, lambda path: True, 0)
    made = lt.create_torrent(files, 262_144)
    if tracker:
        made.add_tracker(tracker)
    lt.set_piece_hashes(made, os.path.dirname(content))
    with open(to, "wb") as file:
        file.write(lt.bencode(made.generate()))
    hashes = lt.load_torrent_file(to).ti.info_hashes()
    return {"v1": str(hashes.v1), "v2": str(hashes.v2)}


def watch():
    """Tells of what happened, with the seconds since the torrent was added."""
    while True:
        session.wait_for_alert(500)
        for alert in session.pop_alerts():
            now = time.monotonic()
            fields = {"message": alert.message()}
            if isinstance(alert, lt.torrent_alert):
                with adding:
                    fields["seconds"] = now - added[0][1]
            if isinstance(alert, lt.dht_get_peers_reply_alert):
                peers = {f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for ip, port in alert.peers()}
                found[str(alert.info_hash)] = found.get(str(alert.info_hash), set()) | peers
                continue
            if alert.what() == "cache_flushed":
                flushed.set()
            emit(alert.what(), **fields)


threading.Thread(target=watch, daemon=True).start()
serve(
    {
        "alive": lambda: True,
        "version": lambda: lt.__version__,
        "pid": os.getpid,
        "add": add,
        "has_all": has_all,
        "status": status,
        "serve": serve_peers,
        "connect": connect,
        "make_hybrid": make_hybrid,
        "nodes": nodes,
        "announce_to_dht": announce_to_dht,
        "look_up": look_up,
        "found_peers": found_peers,
    }
)
