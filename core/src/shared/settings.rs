//! What a person decided for all torrents together: kept, and holding at once.

use tokio::sync::watch;

use super::{SharedResources, totals};
use crate::config::Config;
use crate::settings::{GlobalSetting, GlobalSettings};

impl SharedResources {
    /// What a person decided for all torrents together.
    pub fn settings(&self) -> GlobalSettings {
        self.settings.borrow().clone()
    }

    /// Tells when that changes.
    pub fn watch_settings(&self) -> watch::Receiver<GlobalSettings> {
        self.settings.subscribe()
    }

    /// Changes what a person decided for all torrents together. It holds at once, and over restarts.
    pub fn set(&self, setting: GlobalSetting) {
        let changed = self.settings.send_if_modified(|settings| {
            let before = settings.clone();
            settings.apply(setting);
            if *settings == before {
                return false;
            }
            // Under the lock, so that limiters and store end up with the newest of two.
            let speed = settings.speed_now();
            if speed != before.speed_now() {
                self.up.limit(speed.up);
                self.down.limit(speed.down);
            }
            self.connections.set(most_connections(&self.config, settings), settings.max_peers as usize);
            if settings.upload_slots != before.upload_slots {
                self.set_upload_slots(settings.upload_slots as usize);
            }
            self.turns.set_limits(settings);
            if let Some(store) = &self.store {
                store.put_settings(settings.clone());
            }
            true
        });
        if changed {
            // The header shows the limits.
            totals::refresh(self);
        }
    }
}

/// Connections over all torrents: what is wanted, as far as there are descriptors.
pub(super) fn most_connections(config: &Config, settings: &GlobalSettings) -> usize {
    config.connection_ceiling.min(settings.max_connections as usize).max(1)
}
