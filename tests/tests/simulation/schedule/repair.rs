//! The end of a schedule: delivery without faults, and the replay of all messages.

use jiff::SignedDuration;

use super::Schedule;
use crate::{facts::Violation, invariants, world::LEASE};

/// The number of steps after which a schedule without faults must be quiet.
const MAXIMUM_REPAIR_STEPS: usize = 20_000;

impl Schedule {
    /// Delivers all messages without faults, until nothing waits.
    pub(super) async fn repair(&mut self) {
        for _ in 0..MAXIMUM_REPAIR_STEPS {
            self.world.tick();
            if !self.world.services.gates.waiting().is_empty() {
                self.release(0).await;
            } else if self.world.has_work() || self.needs_time {
                self.wait().await;
            } else {
                let length = self.world.services.bus.lock().unwrap().queue.len();
                if length == 0 {
                    return;
                }
                let position = self.random.below(length);
                if let Some((message, instance)) = self.take(position, false) {
                    self.world.deliver(message, instance).await;
                }
            }
            self.collect().await;
            if self.is_broken() {
                return;
            }
        }
        self.require(Err(Violation {
            rule: "schedule_becomes_quiet",
            detail: format!("it is not quiet after {MAXIMUM_REPAIR_STEPS} steps without faults"),
        }));
    }

    /// Moves the clock beyond all leases.
    async fn wait(&mut self) {
        self.needs_time = false;
        self.world.say("the clock moves beyond all leases");
        let by = LEASE + SignedDuration::from_secs(5);
        self.world.advance(by).await;
    }

    /// Delivers every message once more. Nothing changes.
    pub(super) async fn replay(&mut self) {
        self.world.say("replay of all messages");
        let services = self.world.services.clone();
        let before = invariants::state(&services.stores).await;
        let length = services.bus.lock().unwrap().messages.len();
        for message in 0..length {
            let is_delivered = services.bus.lock().unwrap().messages[message]
                .key()
                .is_some();
            if is_delivered {
                self.world.requeue(message);
            }
        }
        self.repair().await;
        let after = invariants::state(&services.stores).await;
        self.require(invariants::replay_changes_nothing(&before, &after));
    }
}
