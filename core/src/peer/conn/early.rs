//! What a peer says it has before we know how many pieces there are (BEP 9): it is kept as it came.

use crate::wire::message::Message;

/// Pieces kept that a peer tells one by one, and those that it allows. A peer that is told of more while we
/// fetch metadata counts as having fewer than it has, until it says so again.
const MAX_TOLD: usize = 16_384;

/// Messages to be read once the shape of the torrent is known.
#[derive(Debug, Default)]
pub struct Early {
    /// The newest bitfield, or word of all or nothing.
    whole: Option<Message>,
    /// What came after it.
    told: Vec<Message>,
}

impl Early {
    /// Keeps a message that speaks of pieces; one that does not comes back.
    pub(super) fn keep(&mut self, message: Message) -> Option<Message> {
        match message {
            // A copy of its own: a view would hold on to all of the receive buffer.
            Message::Bitfield(bits) => self.begin(Message::Bitfield(bits.to_vec().into())),
            Message::HaveAll | Message::HaveNone => self.begin(message),
            Message::Have(_) | Message::AllowedFast(_) => {
                if self.told.len() < MAX_TOLD {
                    self.told.push(message);
                }
            }
            Message::Suggest(_) => {}
            other => return Some(other),
        }
        None
    }

    fn begin(&mut self, whole: Message) {
        self.whole = Some(whole);
        // What it allows has nothing to do with what it has.
        self.told.retain(|message| matches!(message, Message::AllowedFast(_)));
    }

    /// What was kept, in the order in which it is to be read.
    pub(super) fn messages(self) -> impl Iterator<Item = Message> {
        self.whole.into_iter().chain(self.told)
    }
}
