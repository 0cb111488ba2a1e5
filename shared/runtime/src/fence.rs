//! The fence of a delivery: its lease, and the check that the lease is still held.

use std::{fmt, sync::Arc};

use shared::{
    clock::Clock,
    event::EventId,
    ledger::{Lease, Ledger, RecordedEvent, RecordedOutcome},
    store::StoreError,
};
use tokio::sync::Mutex;

use crate::Error;

/// The right of a delivery to write. Clones share the lease.
///
/// A process may be paused for longer than its lease, and another delivery then handles the event.
/// The paused process continues where it stopped, with data of the past. So a handler checks the
/// fence right before every write that replaces something or cannot be undone.
///
/// [`Fence::default`] belongs to no delivery and always allows writing. It is for direct calls of a
/// handler.
#[derive(Clone, Default)]
pub struct Fence(Option<Arc<Hold>>);

struct Hold {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    event_id: EventId,
    /// `None` once the delivery is over or has lost the lease.
    lease: Mutex<Option<Lease>>,
}

impl fmt::Debug for Fence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event_id = self.0.as_ref().map(|hold| hold.event_id.to_string());
        formatter.debug_tuple("Fence").field(&event_id).finish()
    }
}

impl Fence {
    pub(super) fn new(
        ledger: Ledger,
        clock: Arc<dyn Clock>,
        event_id: EventId,
        lease: Lease,
    ) -> Self {
        Self(Some(Arc::new(Hold {
            ledger,
            clock,
            event_id,
            lease: Mutex::new(Some(lease)),
        })))
    }

    /// Checks that the delivery still holds the lease of its event.
    ///
    /// # Errors
    /// Returns a transient error if another delivery has taken the event over, if the ledger cannot
    /// be read, or if the check took so long that the lease is about to expire. Write nothing then.
    pub async fn check(&self) -> Result<(), Error> {
        let Some(hold) = &self.0 else { return Ok(()) };
        let mut held = hold.lease.lock().await;
        let Some(lease) = held.as_mut() else {
            return Err(hold.lost());
        };
        let confirmed = hold.ledger.confirm(lease, hold.clock.now()).await;
        hold.checked(&mut held, confirmed)
    }

    /// Records the outcome of the event, unless the ledger has it already. It is also a check of
    /// the lease, like [`Fence::check`]: the audit row is written right after it.
    ///
    /// # Errors
    /// Returns the errors of [`Fence::check`].
    pub(super) async fn record(&self, outcome: &RecordedOutcome) -> Result<(), Error> {
        let Some(hold) = &self.0 else { return Ok(()) };
        let mut held = hold.lease.lock().await;
        let Some(lease) = held.as_mut() else {
            return Err(hold.lost());
        };
        let now = hold.clock.now();
        let recorded = hold.ledger.record(lease, now, outcome).await;
        hold.checked(&mut held, recorded)
    }

    /// Extends the lease. A failure is logged only: the next check or the completion notices it.
    pub(super) async fn renew(&self) {
        let Some(hold) = &self.0 else { return };
        let mut held = hold.lease.lock().await;
        let Some(lease) = held.as_mut() else { return };
        let renewed = hold.ledger.renew(lease, hold.clock.now()).await;
        if matches!(renewed, Err(StoreError::ConditionFailed { .. })) {
            *held = None;
        }
        if let Err(error) = renewed {
            tracing::warn!(error = %Error::from(error).chain(), "cannot renew lease");
        }
    }

    /// Records the event as complete, and ends the lease.
    pub(super) async fn complete(
        &self,
        decision: &str,
        events: &[RecordedEvent],
    ) -> Result<(), Error> {
        let Some(hold) = &self.0 else { return Ok(()) };
        let mut held = hold.lease.lock().await;
        let lease = held.as_ref().ok_or_else(|| hold.lost())?;
        hold.ledger
            .complete(lease, hold.clock.now(), decision, events)
            .await?;
        *held = None;
        Ok(())
    }

    /// Records that the message is a dead letter, and ends the lease.
    pub(super) async fn dead_letter(&self, reason: &str, message: &str) -> Result<(), Error> {
        let Some(hold) = &self.0 else { return Ok(()) };
        let mut held = hold.lease.lock().await;
        let lease = held.as_ref().ok_or_else(|| hold.lost())?;
        hold.ledger
            .dead_letter(lease, hold.clock.now(), reason, message)
            .await?;
        *held = None;
        Ok(())
    }

    /// Releases the event after a failure, so that the next delivery can acquire it at once.
    pub(super) async fn release(&self, reason: &str) {
        let Some(hold) = &self.0 else { return };
        let Some(lease) = hold.lease.lock().await.take() else {
            return;
        };
        if let Err(error) = hold.ledger.release(lease, hold.clock.now(), reason).await {
            // The lease expires by itself.
            tracing::warn!(error = %Error::from(error).chain(), "cannot release lease");
        }
    }
}

impl Hold {
    /// Returns the result of a check of the lease, and gives up a lost lease.
    fn checked(
        &self,
        held: &mut Option<Lease>,
        result: Result<(), StoreError>,
    ) -> Result<(), Error> {
        if matches!(result, Err(StoreError::ConditionFailed { .. })) {
            *held = None;
            return Err(self.lost());
        }
        result?;
        // The ledger compared the lease with the time before the call.
        let now = self.clock.now();
        let is_ending = |lease: &Lease| self.ledger.is_ending(lease, now);
        if held.as_ref().is_some_and(is_ending) {
            return Err(self.slow());
        }
        Ok(())
    }

    fn lost(&self) -> Error {
        Error::transient(format!(
            "cannot write for the event {}: its lease is lost, because another delivery handles the event",
            self.event_id
        ))
    }

    fn slow(&self) -> Error {
        Error::transient(format!(
            "cannot write for the event {}: its lease is about to expire, because the check of the lease took too long",
            self.event_id
        ))
    }
}
