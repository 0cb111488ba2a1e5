//! One delivery, from the request to the response.
//!
//! The order is artifact, outcome in the ledger, audit row, pages, ledger complete, events,
//! response. The next delivery repairs a crash between any two steps. Once the outcome is in the
//! ledger, it continues there and does not run the handler again. The pages after a dead letter
//! follow its ledger entry, because they show it.

mod dead_letter;
mod finish;
mod notify;
mod show;
mod trace;

use std::{pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header::WWW_AUTHENTICATE},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use shared::{
    Timestamp,
    event::{EventId, Input},
    ledger::{Claim, Lease, Ledger, RecordedOutcome},
    ports::Ports,
    program::Program,
    retryability::Retryability,
    store::StoreError,
};
use tracing::Instrument;

use self::dead_letter::{Rejection, failure};
use super::{
    Context, Envelope, EnvelopeError, Error, Fence, Handler, Outcome,
    envelope::trace_id,
    oidc::TokenVerifier,
    settings::ServiceSettings,
    status::{MAXIMUM_BODY_BYTES, Reply},
};

/// The time limit of the export of traces at the end of a delivery, which is answered afterwards.
const EXPORT_LIMIT: Duration = Duration::from_secs(2);

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
        let covers_routes = verifier.as_ref().is_some_and(TokenVerifier::covers_routes);
        let service = Arc::new(Self {
            handler: Arc::clone(&handler),
            ports,
            ledger,
            verifier,
            settings,
        });
        let authenticate = from_fn_with_state(Arc::clone(&service), Self::authenticate);
        let mut routes = handler.routes();
        // A layer on no routes is a panic.
        if covers_routes && routes.has_routes() {
            routes = routes.route_layer(authenticate.clone());
        }
        Router::new()
            .route("/", post(Self::receive).route_layer(authenticate))
            .route("/livez", get(|| async { StatusCode::OK }))
            .route("/readyz", get(Self::readiness))
            .with_state(service)
            .merge(routes)
            .layer(DefaultBodyLimit::max(MAXIMUM_BODY_BYTES))
    }

    async fn readiness(State(service): State<Arc<Self>>) -> Response {
        match service.handler.ready().await {
            Ok(()) => StatusCode::OK.into_response(),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.chain()).into_response(),
        }
    }

    /// Rejects a request without a valid token before reading its body.
    async fn authenticate(
        State(service): State<Arc<Self>>,
        request: Request,
        next: Next,
    ) -> Response {
        let Some(verifier) = &service.verifier else {
            return next.run(request).await;
        };
        let now = service.ports.clock.now();
        let Err(error) = verifier.verify(request.headers(), now).await else {
            return next.run(request).await;
        };
        tracing::warn!(function = %H::FUNCTION, error = %error, "rejected unauthenticated delivery");
        match verifier.reply(&error) {
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
        let traces = service.settings.traces.clone();
        // The work runs in its own task, so that a panic is answered as a transient failure.
        let work =
            tokio::spawn(async move { service.reply_to(&headers, body).await }.instrument(span));
        let reply = work.await.unwrap_or_else(|_| {
            tracing::error!(function = %H::FUNCTION, "delivery panicked");
            Reply::Retry
        });
        if let Some(traces) = traces {
            // Cloud Run may throttle the processor after the response.
            traces.flush(EXPORT_LIMIT).await;
        }
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
        let attempt = self.attempt(&body);
        // In batched mode every event is handled, also after a failed one.
        let mut worst = Reply::Done;
        for message in Envelope::parse_all(headers, body) {
            worst = worst.worse(self.deliver_in_trace(message, attempt).await);
        }
        worst
    }

    /// Delivers a message of a request, or rejects it if it cannot be read.
    async fn deliver_or_reject(&self, envelope: Envelope, error: Option<EnvelopeError>) -> Reply {
        match error {
            None => self.deliver(envelope).await,
            Some(error) => {
                let error = Error::permanent("cannot read the delivery").caused_by(error);
                self.reject(envelope, error).await
            }
        }
    }

    async fn deliver(&self, mut envelope: Envelope) -> Reply {
        let now = self.ports.clock.now();
        let published_at = *envelope.published_at.get_or_insert(now);
        let event = match H::Event::decode(&envelope.data) {
            Ok(event) => event,
            Err(error) => return self.reject(envelope, error.into()).await,
        };
        let event_id = event.id(published_at);
        tracing::Span::current().record("event_id", event_id.to_string());
        let lease = match self.claim(&event_id, &envelope, now).await {
            Ok(Claim::Acquired(lease)) => lease,
            Ok(Claim::Completed(events)) => {
                tracing::info!("event already handled");
                return self.publish(&events).await.unwrap_or(Reply::AlreadyDone);
            }
            Ok(Claim::DeadLettered { at, .. }) => {
                tracing::info!(at = %at, "event is a dead letter");
                return Reply::DeadLettered;
            }
            Ok(Claim::InProgress { expires }) => {
                tracing::info!(expires = %expires, "event is being handled by another delivery");
                return Reply::InProgress;
            }
            Err(error) => return retry("cannot read the ledger", error.into()),
        };
        let is_dead_letter = lease.dead_letter().is_some();
        let recorded = lease.outcome().cloned();
        let first_started_at = lease.first().unwrap_or(published_at);
        // The clock of this instance may be behind that of the first delivery.
        let now = lease.first().map_or(now, |first| first.max(now));
        let context = Context {
            fence: self.fence(&event_id, lease),
            event_id,
            published_at,
            first_started_at,
            now,
        };
        let outcome = match self.decide(event, &context, recorded).await {
            Ok(outcome) => outcome,
            Err(error) => {
                context.fence.release(&error.chain()).await;
                return retry("delivery failed, will be retried", error);
            }
        };
        if !outcome.is_failure {
            return self.finish(&context, outcome).await;
        }
        let rejection = Rejection {
            context: &context,
            is_dead_letter,
        };
        self.dead_letter(rejection, envelope, outcome).await
    }

    /// Claims an event. The lease knows the dead letter of an earlier message of the event, so that
    /// another failure adds none.
    ///
    /// A message that was republished from the dead letters, or published after the failure, is a
    /// new request: it claims the entry of a dead letter again. Any other message is a repetition.
    async fn claim(
        &self,
        event_id: &EventId,
        envelope: &Envelope,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let message = envelope.checksum().to_string();
        let is_republished = envelope.is_republished();
        let mut claim = self.ledger.claim(event_id, now).await?;
        if let Claim::DeadLettered {
            at,
            message: failed,
        } = &claim
        {
            let is_later = envelope.published_at.is_some_and(|time| time >= *at);
            if (is_republished || is_later) && *failed != message {
                claim = self.ledger.claim_again(event_id, now).await?;
            }
        }
        if let Claim::Acquired(lease) = &mut claim
            && is_republished
            && lease.dead_letter() != Some(message.as_str())
        {
            // The dead letter of a republished message is gone. If the message itself is the dead
            // letter, this is a repeated delivery.
            lease.forget_dead_letter();
        }
        Ok(claim)
    }

    fn fence(&self, event_id: &EventId, lease: Lease) -> Fence {
        let clock = Arc::clone(&self.ports.clock);
        Fence::new(self.ledger.clone(), clock, event_id.clone(), lease)
    }

    /// Returns the outcome of an event: the recorded one, or that of the handler. A permanent error
    /// is an outcome, too.
    ///
    /// # Errors
    /// Returns a transient error of the handler.
    async fn decide(
        &self,
        event: H::Event,
        context: &Context,
        recorded: Option<RecordedOutcome>,
    ) -> Result<RecordedOutcome, Error> {
        if let Some(outcome) = recorded {
            let decision = &outcome.entry.decision;
            tracing::info!(decision, "event was decided by an earlier delivery");
            return Ok(outcome);
        }
        let handled = self.handle(event, context.clone()).await;
        let at = self.ports.clock.now();
        match handled.and_then(check_topics::<H>) {
            Ok(Outcome {
                entry,
                events,
                notification,
            }) => Ok(RecordedOutcome {
                at,
                // The event's time, not that of the delivery.
                entry: entry.made_by(&Program::current(), context.published_at),
                events,
                notification,
                is_failure: false,
            }),
            Err(error) if error.retryability() == Retryability::Permanent => Ok(failure(error, at)),
            Err(error) => Err(error),
        }
    }

    /// Runs the handler in its own task, so that a panic becomes a transient error and the lease is
    /// released.
    async fn handle(&self, event: H::Event, context: Context) -> Result<Outcome, Error> {
        let (handler, fence) = (Arc::clone(&self.handler), context.fence.clone());
        let work =
            tokio::spawn(async move { handler.handle(event, &context).await }.in_current_span());
        self.while_renewing(&fence, work)
            .await
            .unwrap_or_else(|panic| {
                tracing::error!(error = %panic, "handler panicked");
                Err(Error::transient("the handler panicked").caused_by(panic))
            })
    }

    /// Waits for `work` and renews the lease of the event meanwhile.
    async fn while_renewing<T>(&self, fence: &Fence, work: impl Future<Output = T>) -> T {
        let third_of_lease = self.ledger.lease().unsigned_abs() / 3;
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(third_of_lease) => {}
            }
            let mut renewal = pin!(fence.renew());
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
