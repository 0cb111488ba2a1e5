//! One delivery, from the request to the response.
//!
//! The order is artifact, audit row, ledger, events, response. The next delivery repairs a crash
//! between any two steps.

mod dead_letter;

use std::{pin::pin, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header::WWW_AUTHENTICATE},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use forecasting::checksum::Checksum;
use shared::{
    bus::Message,
    event::{Event, EventId, decode},
    ledger::{Claim, Lease, Ledger, RecordedEvent},
    ports::Ports,
    retryability::Retryability,
};
use tracing::Instrument;

use super::{
    Context, Envelope, Error, Handler, Outcome,
    envelope::trace_id,
    oidc::TokenVerifier,
    settings::ServiceSettings,
    status::{MAXIMUM_BODY_BYTES, Reply},
};

/// A handler with its ports, ledger, and authentication.
pub(super) struct Service<H> {
    handler: Arc<H>,
    ports: Ports,
    ledger: Ledger,
    verifier: Option<TokenVerifier>,
    settings: ServiceSettings,
}

impl<H: Handler> Service<H> {
    pub(super) fn router(handler: Arc<H>, ports: Ports, settings: ServiceSettings) -> Router {
        let ledger = Ledger::new(Arc::clone(&ports.store), H::FUNCTION, settings.lease);
        let verifier = settings.push.verifier();
        let service = Arc::new(Self {
            handler: Arc::clone(&handler),
            ports,
            ledger,
            verifier,
            settings,
        });
        let authenticate = from_fn_with_state(Arc::clone(&service), Self::authenticate);
        Router::new()
            .route("/", post(Self::receive).route_layer(authenticate))
            .route("/livez", get(|| async { StatusCode::OK }))
            .route("/readyz", get(Self::readiness))
            .with_state(service)
            .merge(handler.routes())
            .layer(DefaultBodyLimit::max(MAXIMUM_BODY_BYTES))
    }

    async fn readiness(State(service): State<Arc<Self>>) -> Response {
        match service.handler.ready().await {
            Ok(()) => StatusCode::OK.into_response(),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.chain()).into_response(),
        }
    }

    /// Rejects a delivery without a valid token before reading its body.
    async fn authenticate(
        State(service): State<Arc<Self>>,
        request: Request,
        next: Next,
    ) -> Response {
        let verified = match &service.verifier {
            Some(verifier) => {
                verifier
                    .verify(request.headers(), service.ports.clock.now())
                    .await
            }
            None => Ok(()),
        };
        let Err(error) = verified else {
            return next.run(request).await;
        };
        tracing::warn!(function = %H::FUNCTION, error = %error, "rejected unauthenticated delivery");
        match error.reply() {
            Reply::Unauthorized => {
                (Reply::Unauthorized.status(), [(WWW_AUTHENTICATE, "Bearer")]).into_response()
            }
            reply => reply.status().into_response(),
        }
    }

    async fn receive(
        State(service): State<Arc<Self>>,
        headers: HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Response {
        let trace = trace_id(&headers)
            .map(|id| format!("projects/{}/traces/{id}", service.settings.project));
        let span = tracing::info_span!(
            "delivery",
            function = %H::FUNCTION,
            message_id = tracing::field::Empty,
            event_id = tracing::field::Empty,
            trace = trace.as_deref(),
        );
        // The work runs in its own task, so that a client that disconnects cannot interrupt a
        // delivery.
        let work =
            tokio::spawn(async move { service.reply_to(&headers, body).await }.instrument(span));
        let reply = work.await.unwrap_or_else(|_| {
            tracing::error!(function = %H::FUNCTION, "delivery panicked");
            Reply::Retry
        });
        reply.status().into_response()
    }

    async fn reply_to(&self, headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Reply {
        let body = match body {
            Ok(body) => body,
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                tracing::error!(
                    limit_bytes = MAXIMUM_BODY_BYTES,
                    "rejected body over the size limit"
                );
                return Reply::TooLarge;
            }
            Err(rejection) => {
                tracing::warn!(error = %rejection, "connection closed while reading the body");
                return Reply::Retry;
            }
        };
        let envelope = match Envelope::parse(headers, &body) {
            Ok(envelope) => envelope,
            Err(error) => {
                let error = Error::permanent("cannot read the delivery").caused_by(error);
                // Without a message id, the digest of the body identifies the message: redelivering
                // the same body yields the same id.
                let id = EventId::of_message(Checksum::of(&body).short(16));
                let unread = Envelope {
                    message_id: String::new(),
                    published_at: None,
                    attributes: [].into(),
                    data: body,
                };
                return self.dead_letter(&id, unread, error).await;
            }
        };
        tracing::Span::current().record("message_id", &envelope.message_id);
        self.deliver(envelope).await
    }

    async fn deliver(&self, envelope: Envelope) -> Reply {
        let now = self.ports.clock.now();
        let published_at = envelope.published_at.unwrap_or(now);
        let event: H::Event = match decode(&envelope.data) {
            Ok(event) => event,
            Err(error) => {
                let id = EventId::of_message(&envelope.message_id);
                return self.dead_letter(&id, envelope, error.into()).await;
            }
        };
        let context = Context {
            event_id: event.event_id(published_at),
            published_at,
            now,
        };
        tracing::Span::current().record("event_id", context.event_id.to_string());
        let mut lease = match self.ledger.claim(&context.event_id, now).await {
            Ok(Claim::Acquired(lease)) => lease,
            Ok(Claim::Completed(events)) => {
                tracing::info!("event already handled");
                return self.publish(&events).await.unwrap_or(Reply::AlreadyDone);
            }
            Ok(Claim::InProgress { expires }) => {
                tracing::info!(expires = %expires, "event is being handled by another delivery");
                return Reply::InProgress;
            }
            Err(error) => return retry("cannot read the ledger", error.into()),
        };
        let handled = self.handle(event, context.clone(), &mut lease).await;
        match handled.and_then(check_topics::<H>) {
            Ok(outcome) => self.finish(&context, lease, outcome).await,
            Err(error) => self.fail(&context, lease, envelope, error).await,
        }
    }

    /// Runs the handler in its own task, so that a panic becomes a transient error and the lease is
    /// released.
    async fn handle(
        &self,
        event: H::Event,
        context: Context,
        lease: &mut Lease,
    ) -> Result<Outcome, Error> {
        let handler = Arc::clone(&self.handler);
        let work =
            tokio::spawn(async move { handler.handle(event, &context).await }.in_current_span());
        self.while_renewing(lease, work)
            .await
            .unwrap_or_else(|panic| {
                tracing::error!(error = %panic, "handler panicked");
                Err(Error::transient("the handler panicked").caused_by(panic))
            })
    }

    /// Waits for `work` and renews the lease of the event meanwhile.
    async fn while_renewing<T>(&self, lease: &mut Lease, work: impl Future<Output = T>) -> T {
        let third_of_lease = self.ledger.lease().unsigned_abs() / 3;
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(third_of_lease) => {}
            }
            let mut renewal = pin!(self.renew(lease));
            tokio::select! {
                done = &mut work => {
                    // A cancelled renewal may still change the entry, and its new generation would
                    // be unknown.
                    renewal.await;
                    return done;
                }
                () = &mut renewal => {}
            }
        }
    }

    async fn renew(&self, lease: &mut Lease) {
        if let Err(error) = self.ledger.renew(lease, self.ports.clock.now()).await {
            // Another delivery may have taken the event over. This one notices when it completes
            // the entry.
            tracing::warn!(error = %Error::from(error).chain(), "cannot renew lease");
        }
    }

    /// Records the outcome of an event.
    ///
    /// The lease is renewed until the ledger entry is complete, because writing the audit row may
    /// take longer than a lease.
    async fn finish(&self, context: &Context, mut lease: Lease, outcome: Outcome) -> Reply {
        let now = self.ports.clock.now();
        let Outcome { entry, events } = outcome;
        let (decision, reason) = (entry.decision.clone(), entry.reason.clone());
        let row = entry.into_row(
            now,
            H::FUNCTION,
            context.event_id.clone(),
            &self.settings.environment,
        );
        if let Err(error) = self
            .while_renewing(&mut lease, self.ports.warehouse.record(&row))
            .await
        {
            self.release(lease, "cannot write the audit row").await;
            return retry("cannot write the audit row", error.into());
        }
        if let Err(error) = self.ledger.complete(&lease, now, &decision, &events).await {
            self.release(lease, "cannot complete the event in the ledger")
                .await;
            return retry("cannot complete the event in the ledger", error.into());
        }
        tracing::info!(decision, reason, "event handled");
        self.publish(&events).await.unwrap_or(Reply::Done)
    }

    async fn fail(
        &self,
        context: &Context,
        lease: Lease,
        envelope: Envelope,
        error: Error,
    ) -> Reply {
        self.release(lease, &error.chain()).await;
        match error.retryability() {
            Retryability::Transient => retry("delivery failed, will be retried", error),
            Retryability::Permanent => self.dead_letter(&context.event_id, envelope, error).await,
        }
    }

    async fn release(&self, lease: Lease, reason: &str) {
        if let Err(error) = self
            .ledger
            .release(lease, self.ports.clock.now(), reason)
            .await
        {
            // The lease expires by itself.
            tracing::warn!(error = %Error::from(error).chain(), "cannot release lease");
        }
    }

    /// Publishes events. Returns the reply to send if publishing fails, and `None` otherwise.
    async fn publish(&self, events: &[RecordedEvent]) -> Option<Reply> {
        for event in events {
            let attributes = [("event_type".to_owned(), event.topic.to_string())].into();
            let message = Message {
                data: event.data.clone().into(),
                attributes,
            };
            if let Err(error) = self.ports.publisher.publish(event.topic, message).await {
                return Some(retry("cannot publish the resulting events", error.into()));
            }
        }
        None
    }
}

/// Returns an error if the outcome has an event for a topic that the function does not declare.
///
/// In the cloud, the function may not publish to that topic. Without this check it would fail only
/// after the ledger entry is complete.
fn check_topics<H: Handler>(outcome: Outcome) -> Result<Outcome, Error> {
    let mut topics = outcome.events.iter().map(|event| event.topic);
    match topics.find(|topic| !H::PUBLISHES.contains(topic)) {
        None => Ok(outcome),
        Some(topic) => Err(Error::permanent(format!(
            "{} may not publish to {topic}: add the topic to its `Handler::PUBLISHES`",
            H::FUNCTION
        ))),
    }
}

fn retry(attempt: &'static str, error: Error) -> Reply {
    tracing::warn!(error = %error.chain(), "{attempt}");
    Reply::Retry
}
