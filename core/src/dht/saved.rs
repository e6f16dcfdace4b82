//! What the node keeps for its next run: its names and the nodes that it knows.

use serde::{Deserialize, Serialize};

use super::id::{Contact, Family, NodeId};

/// Nodes that are kept of each family; a table has some hundred.
pub const MAX_NODES: usize = 600;

/// Plain data for the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Our ids over IPv4 and IPv6. They stay as long as they fit our address outside (BEP 42).
    pub ids: [Option<NodeId>; 2],
    /// Nodes of both families.
    pub nodes: Vec<Contact>,
}

impl Saved {
    /// The nodes of one family, no more than would have been saved.
    pub(super) fn nodes(&self, family: Family) -> impl Iterator<Item = Contact> + '_ {
        self.nodes.iter().filter(move |node| Family::of(&node.address) == family).take(MAX_NODES).copied()
    }
}
