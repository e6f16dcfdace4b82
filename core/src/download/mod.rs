//! What we want and who fetches it.
