//! Threads that read, write and hash.
