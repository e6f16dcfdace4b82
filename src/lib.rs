//! The program around engine and dashboard: command line, logging, demo.
pub mod inspect;
pub mod json;
