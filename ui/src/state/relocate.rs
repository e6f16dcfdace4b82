//! The dialog that moves data to another folder.

use tc_core::types::InfoHash;

use super::add::Candidates;
use crate::widget::field::Field;

/// The dialog.
#[derive(Clone, Debug, Default)]
pub struct MoveForm {
    /// Which torrents.
    pub torrents: Vec<InfoHash>,
    /// The folder, as typed.
    pub to: Field,
    /// How the path may go on, while a list is open.
    pub candidates: Option<Candidates>,
    /// Free bytes where it points, if that was asked for.
    pub free: Option<u64>,
    /// What is wrong with it, in one line.
    pub error: Option<String>,
}
