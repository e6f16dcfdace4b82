"""A libtorrent session as a driver. Its only argument: the session's settings as JSON."""

import json
import sys
import threading
import time

import libtorrent as lt

from driver import emit, serve

# Nothing of the outside, and no queueing: what a test adds runs at once.
SETTINGS = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "alert_mask": lt.alert.category_t.status_notification
    | lt.alert.category_t.error_notification
    | lt.alert.category_t.storage_notification
    | lt.alert.category_t.tracker_notification,
}

settings = {**SETTINGS, **json.loads(sys.argv[1])}
if settings.pop("log_peers", False):
    settings["alert_mask"] |= lt.alert.category_t.peer_log_notification
session = lt.session(settings)
added = {}  # info-hash -> (handle, time of adding)


def add(torrent, dir, upload_limit=0, download_limit=0):
    params = lt.load_torrent_file(torrent)
    params.save_path = dir
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    params.upload_limit, params.download_limit = upload_limit, download_limit
    info_hash = str(params.info_hashes.v1)
    start = time.monotonic()
    # Held for the alerts, which may come before this line is done.
    with adding:
        added[info_hash] = (session.add_torrent(params), start)
    return info_hash


def status(info_hash):
    now = added[info_hash][0].status()
    return {
        "state": str(now.state),
        "progress": now.progress,
        "seeding": now.is_seeding,
        "downloaded": now.total_payload_download,
        "uploaded": now.total_payload_upload,
        "peers": now.num_peers,
    }


def flush(info_hash):
    """Writes what is still in memory; the event `cache_flushed` follows."""
    added[info_hash][0].flush_cache()


def connect_peer(info_hash, ip, port):
    added[info_hash][0].connect_peer((ip, port))


def watch():
    """Tells of what happened, with the seconds since the torrent was added."""
    while True:
        session.wait_for_alert(500)
        for alert in session.pop_alerts():
            now = time.monotonic()
            fields = {"message": alert.message()}
            if isinstance(alert, lt.torrent_alert) and alert.handle.is_valid():
                info_hash = str(alert.handle.info_hashes().v1)
                with adding:
                    fields |= {"info_hash": info_hash, "seconds": now - added[info_hash][1]}
            emit(alert.what(), **fields)


adding = threading.Lock()
threading.Thread(target=watch, daemon=True).start()
serve({"ready": lambda: True, "add": add, "status": status, "flush": flush, "connect_peer": connect_peer})
