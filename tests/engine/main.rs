//! The engine's formats and parts from outside: what a person or a script sees of them.

mod inspect;
mod torrents;
