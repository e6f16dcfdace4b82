//! Who may send and receive how much.
