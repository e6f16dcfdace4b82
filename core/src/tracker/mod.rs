//! Announcing: when, to whom (BEP 3, 7, 12, 23).
