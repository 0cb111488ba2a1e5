//! Dead letters of permanently failing messages.

use serde_json::json;
use shared::{
    bus::{Message, dead_letter::DeadLetter},
    event::{EventId, Topic},
    store::Condition,
};

use super::{Service, retry};
use crate::{Envelope, Error, Handler, Reply};

impl<H: Handler> Service<H> {
    /// Publishes a permanently failing message as a dead letter, with the reason.
    ///
    /// The audit row is written before the dead letter is published. Writing the same row again
    /// changes nothing, but publishing again creates a second dead letter.
    pub(super) async fn dead_letter(
        &self,
        event_id: &EventId,
        envelope: Envelope,
        error: Error,
    ) -> Reply {
        let Envelope {
            attributes,
            data,
            published_at,
            ..
        } = envelope;
        let mut entry = error.into_dead_letter();
        let reason = entry.error_message.clone().unwrap_or_default();
        tracing::error!(event_id = %event_id, error = %reason, "moving message to dead-letter topic");
        let dead_letter = DeadLetter::new(
            H::FUNCTION,
            event_id,
            &reason,
            published_at,
            Message { data, attributes },
        );
        if let Some((path, contents)) = dead_letter.offloaded {
            entry.detail = json!({ "message": path });
            if let Err(error) = self
                .ports
                .store
                .write(&path, contents, Condition::Always)
                .await
            {
                return retry("cannot offload the message of a dead letter", error.into());
            }
        }
        let now = self.ports.clock.now();
        let row = entry.into_row(
            now,
            H::FUNCTION,
            event_id.clone(),
            &self.settings.environment,
        );
        if let Err(error) = self.ports.warehouse.record(&row).await {
            return retry("cannot write the audit row", error.into());
        }
        match self
            .ports
            .publisher
            .publish(Topic::DeadLetter(H::FUNCTION), dead_letter.message)
            .await
        {
            Ok(_) => Reply::DeadLettered,
            Err(error) => retry("cannot publish the dead letter", error.into()),
        }
    }
}
