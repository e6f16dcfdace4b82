"""An HTTP tracker for tests: BEP 3, 23 (compact) and 7 (peers6). Tells each announce as an event.

Argument: the interval in seconds. It names peers of the asker's own address family only.
"""

import http.server
import ipaddress
import socket
import sys
import threading
from urllib.parse import unquote_to_bytes

from driver import emit, serve

PORT = 6969
INTERVAL = int(sys.argv[1])

swarms = {}  # info-hash -> {(peer id, address family): packed address and port}
swarms_lock = threading.Lock()


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def announce(address, query):
    info_hash, peer_id = query["info_hash"], query["peer_id"]
    if len(info_hash) != 20 or len(peer_id) != 20:
        return {b"failure reason": b"info_hash and peer_id have 20 bytes"}
    port, left, event = int(query["port"]), int(query["left"]), query.get("event", b"").decode()
    name = (peer_id, address.version)
    with swarms_lock:
        swarm = swarms.setdefault(info_hash, {})
        others = [peer for key, peer in swarm.items() if key != name and key[1] == name[1]]
        if event == "stopped":
            swarm.pop(name, None)
        else:
            swarm[name] = address.packed + port.to_bytes(2, "big")
    emit(
        "announce",
        info_hash=info_hash.hex(),
        peer_id=peer_id.decode("latin-1"),
        ip=str(address),
        port=port,
        left=left,
        said=event,
        uploaded=int(query["uploaded"]),
        downloaded=int(query["downloaded"]),
    )
    wanted = max(0, int(query.get("numwant", 50)))
    list_name = b"peers" if address.version == 4 else b"peers6"
    answer = {b"interval": INTERVAL, b"peers": b""}
    answer[list_name] = b"".join(others[:wanted])
    return answer


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path != "/announce":
            return self.send_error(404)
        address = ipaddress.ip_address(self.client_address[0])
        address = address.ipv4_mapped or address
        fields = dict(part.partition("=")[::2] for part in query.split("&") if part)
        try:
            answer = announce(address, {key: unquote_to_bytes(value) for key, value in fields.items()})
        except (KeyError, ValueError) as error:
            answer = {b"failure reason": f"bad announce: {error!r}".encode()}
        body = bencode(answer)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """The events say it all."""


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


threading.Thread(target=Server(("::", PORT), Handler).serve_forever, daemon=True).start()
serve({"alive": lambda: True})
