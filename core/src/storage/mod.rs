//! Pieces and files.
