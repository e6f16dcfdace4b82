//! Messages between peers: handshake (BEP 3), messages (BEP 3), extension protocol (BEP 10).
