//! Showing events, for example on pages: handled ones between their audit row and their completion,
//! and dead letters at their end.

use std::{sync::Arc, time::Duration};

use shared::audit::AuditEntry;
use tracing::Instrument;

use super::Service;
use crate::{Context, Handler};

/// The time after which [`Handler::show`] is ended.
const TIME_LIMIT: Duration = Duration::from_secs(60);

impl<H: Handler> Service<H> {
    /// Runs [`Handler::show`] in its own task, so that a panic does not affect the event.
    pub(super) async fn show(&self, context: &Context, entry: AuditEntry) {
        let (handler, context) = (Arc::clone(&self.handler), context.clone());
        let work =
            tokio::spawn(async move { handler.show(&context, &entry).await }.in_current_span());
        let abort = work.abort_handle();
        match tokio::time::timeout(TIME_LIMIT, work).await {
            Ok(Ok(())) => {}
            Ok(Err(panic)) => tracing::warn!(error = %panic, "cannot show the event"),
            Err(_) => {
                abort.abort();
                tracing::warn!(
                    limit_seconds = TIME_LIMIT.as_secs(),
                    "ended showing the event"
                );
            }
        }
    }
}
