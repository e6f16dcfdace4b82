//! Peers: let one go, ban it, see who is banned and lift it. What cannot be taken back asks.

use crate::message::Effect;
use crate::state::AppState;
use crate::state::popup::{PeerDialog, Popup};
use crate::state::scroll::Scroll;

/// Asks whether to let the peer under the cursor go, or to ban it.
pub fn ask(state: &mut AppState, ban: bool) {
    let peer = state.detail.peers.as_ref().and_then(|peers| peers.get(state.detail.scroll().cursor));
    let (Some(torrent), Some(peer)) = (state.table.cursor(), peer) else {
        let key = if ban { "b" } else { "x" };
        return state.say(format!("{key}: there is no peer"));
    };
    let dialog = PeerDialog { torrent, address: peer.address, client: peer.client.to_string(), ban };
    state.popups.push(Popup::Peer(dialog));
}

/// `y`: it is done.
pub fn yes(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(Popup::Peer(PeerDialog { torrent, address, ban, .. })) = state.popups.pop() else { return };
    if ban {
        effects.push(Effect::Ban(address));
        state.say(format!("{address} is banned for 24 h; B lists bans"));
    } else {
        effects.push(Effect::Disconnect(torrent, address));
    }
}

/// Opens the list of bans.
pub fn bans(state: &mut AppState) {
    state.popups.push(Popup::Bans(Scroll::default()));
}

/// Ends the ban under the cursor. It goes from the list at once; the engine's own list follows.
pub fn lift(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(Popup::Bans(scroll)) = state.popups.last() else { return };
    let Some(bans) = state.detail.bans.as_mut().filter(|bans| scroll.cursor < bans.len()) else {
        return state.say("d: nobody is banned");
    };
    let target = bans.remove(scroll.cursor).target;
    effects.push(Effect::LiftBan(target));
    state.say(format!("{target} may come back"));
}
