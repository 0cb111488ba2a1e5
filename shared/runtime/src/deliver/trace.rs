//! The span of a delivery, and the trace that it continues.

use serde::Deserialize;

use super::Service;
use crate::{Envelope, Handler, Reply, envelope::Unread, traces::DeliveryTrace};

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
        let traces = self.settings.traces.as_ref();
        let trace = DeliveryTrace::new(traces, H::FUNCTION, &envelope, attempt);
        trace.run(self.deliver_or_reject(envelope, error)).await
    }

    /// Returns the number of the delivery attempt, if traces are exported and the bus reports it.
    pub(super) fn attempt(&self, body: &[u8]) -> Option<i64> {
        self.settings.traces.as_ref()?;
        delivery_attempt(body)
    }
}

/// Returns the number of the delivery attempt in the body of a wrapped push, from 1.
fn delivery_attempt(body: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct Push {
        #[serde(rename = "deliveryAttempt")]
        delivery_attempt: Option<i64>,
    }
    let push: Push = serde_json::from_slice(body).ok()?;
    push.delivery_attempt
}
