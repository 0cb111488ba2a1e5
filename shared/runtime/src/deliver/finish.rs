//! The end of a handled event: outcome, audit row, complete ledger entry, and events.

use std::collections::BTreeMap;

use shared::{
    bus::Message,
    ledger::{RecordedEvent, RecordedOutcome},
};

use super::{Service, retry};
use crate::{Context, Error, Handler, Reply, traces};

impl<H: Handler> Service<H> {
    /// Records the outcome of an event, and publishes its events.
    ///
    /// The lease is renewed until the ledger entry is complete, because writing the audit row may
    /// take longer than a lease. A delivery that has lost its lease writes no row.
    pub(super) async fn finish(&self, context: &Context, outcome: RecordedOutcome) -> Reply {
        let fence = &context.fence;
        let recorded = self.while_renewing(fence, self.record(context, &outcome));
        if let Err(error) = recorded.await {
            fence.release("cannot record the outcome").await;
            return retry("cannot record the outcome", error);
        }
        let RecordedOutcome {
            entry,
            events,
            notification,
            ..
        } = outcome;
        self.while_renewing(fence, self.show(context, entry.clone()))
            .await;
        if let Err(error) = fence.complete(&entry.decision, &events).await {
            fence
                .release("cannot complete the event in the ledger")
                .await;
            return retry("cannot complete the event in the ledger", error);
        }
        let (decision, reason) = (entry.decision, entry.reason);
        traces::record_decision(&decision);
        tracing::info!(decision, reason, "event handled");
        // At the same time, so that a slow chat does not delay the events.
        let (published, ()) = tokio::join!(self.publish(&events), self.notify(notification));
        published.unwrap_or(Reply::Done)
    }

    /// Records an outcome in the ledger, then in the audit log.
    ///
    /// The ledger comes first: once the row may exist, no repetition may decide otherwise.
    async fn record(&self, context: &Context, outcome: &RecordedOutcome) -> Result<(), Error> {
        context.fence.record(outcome).await?;
        let row = outcome.entry.clone().into_row(
            outcome.at,
            H::FUNCTION,
            context.event_id.clone(),
            &self.settings.environment,
        );
        Ok(self.ports.warehouse.record(&row).await?)
    }

    /// Publishes events in the current trace. Returns the reply to send if publishing fails, and
    /// `None` otherwise.
    pub(super) async fn publish(&self, events: &[RecordedEvent]) -> Option<Reply> {
        let failed = self.try_publish(events).await.err();
        failed.map(|error| retry("cannot publish the resulting events", error))
    }

    /// Publishes events in the current trace.
    pub(super) async fn try_publish(&self, events: &[RecordedEvent]) -> Result<(), Error> {
        for event in events {
            let mut attributes =
                BTreeMap::from([("event_type".to_owned(), event.topic.to_string())]);
            traces::add_to_message(&mut attributes);
            let message = Message {
                data: event.data.clone().into(),
                attributes,
            };
            let publisher = &self.ports.publisher;
            publisher.publish(event.topic, message).await?;
        }
        Ok(())
    }
}
