//! What a reader sees: pictures of the real program, documents printed from the tables that drive it,
//! and sources that keep the house rules.

mod layers;
mod picture;
mod printed;
mod screenshots;
mod sources;
#[path = "../support/mod.rs"]
mod support;
mod tidy;
