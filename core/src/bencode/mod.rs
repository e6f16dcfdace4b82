//! Bencode (BEP 3): a guard that looks before serde_bencode leaps, and raw spans.
