//! The span of a delivery, and the trace that it continues.

use opentelemetry::trace::FutureExt;
use tracing::Instrument;

use super::Service;
use crate::{
    Envelope, Handler, Reply,
    envelope::Unread,
    traces::{self, of_message},
};

impl<H: Handler> Service<H> {
    /// Delivers a message of a request as a part of the trace that its attributes name. If traces
    /// are exported, the delivery is a span.
    ///
    /// The trace of the request is that of a push: it ends with the response, and Cloud Run samples
    /// few of them. The trace of a message includes the deliveries of the events that follow.
    pub(super) async fn deliver_in_trace(
        &self,
        message: Result<Envelope, Unread>,
        attempt: Option<i64>,
    ) -> Reply {
        let (envelope, error) = match message {
            Ok(envelope) => (envelope, None),
            Err(Unread { data, error }) => {
                let unread = Envelope {
                    message_id: String::new(),
                    published_at: None,
                    attributes: [].into(),
                    data,
                };
                (unread, Some(error))
            }
        };
        if error.is_none() {
            tracing::Span::current().record("message_id", &envelope.message_id);
        }
        let parent = of_message(&envelope.attributes);
        if self.settings.traces.is_none() {
            let work = self.deliver_or_reject(envelope, error);
            return work.with_context(parent).await;
        }
        let span = traces::delivery(H::FUNCTION, &envelope, &parent, attempt);
        let work = self.deliver_or_reject(envelope, error);
        let reply = work.instrument(span.clone()).with_context(parent).await;
        traces::record_reply(&span, reply);
        reply
    }

    /// Returns the number of the delivery attempt, if traces are exported and the bus reports it.
    pub(super) fn attempt(&self, body: &[u8]) -> Option<i64> {
        self.settings.traces.as_ref()?;
        traces::delivery_attempt(body)
    }
}
