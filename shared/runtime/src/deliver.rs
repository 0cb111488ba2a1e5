//! One delivery, from the request to the response.
//!
//! The order is artifact, audit row, pages, ledger, events, response. The next delivery repairs a
//! crash between any two steps.

mod dead_letter;
mod show;

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
use shared::{
    audit::AuditRow,
    bus::Message,
    event::{EventId, Input},
    ledger::{Claim, Lease, Ledger, RecordedEvent},
    ports::Ports,
    retryability::Retryability,
    store::StoreError,
};
use tracing::Instrument;

use self::dead_letter::Rejection;
use super::{
    Context, Envelope, Error, Fence, Handler, Outcome,
    envelope::{Unread, trace_id},
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
        let mut routes = handler.routes();
        // A layer on no routes is a panic.
        if routes.has_routes() {
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
        // The work runs in its own task, so that a panic is answered as a transient failure.
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
        // In batched mode every event is handled, also after a failed one.
        let mut worst = Reply::Done;
        for message in Envelope::parse_all(headers, body) {
            let reply = match message {
                Ok(envelope) => {
                    tracing::Span::current().record("message_id", &envelope.message_id);
                    self.deliver(envelope).await
                }
                Err(Unread { data, error }) => {
                    let error = Error::permanent("cannot read the delivery").caused_by(error);
                    let unread = Envelope {
                        message_id: String::new(),
                        published_at: None,
                        attributes: [].into(),
                        data,
                    };
                    self.reject(unread, error).await
                }
            };
            worst = worst.worse(reply);
        }
        worst
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
        let (claim, is_dead_letter) = match self.claim(&event_id, &envelope).await {
            Ok(claimed) => claimed,
            Err(error) => return retry("cannot read the ledger", error.into()),
        };
        let fence = match claim {
            Claim::Acquired(lease) => self.fence(&event_id, lease),
            Claim::Completed(events) => {
                tracing::info!("event already handled");
                return self.publish(&events).await.unwrap_or(Reply::AlreadyDone);
            }
            Claim::DeadLettered { at, .. } => {
                tracing::info!(at = %at, "event is a dead letter");
                return Reply::DeadLettered;
            }
            Claim::InProgress { expires } => {
                tracing::info!(expires = %expires, "event is being handled by another delivery");
                return Reply::InProgress;
            }
        };
        let context = Context {
            event_id,
            published_at,
            now,
            fence,
        };
        let handled = self.handle(event, context.clone()).await;
        match handled.and_then(check_topics::<H>) {
            Ok(outcome) => self.finish(&context, outcome).await,
            Err(error) => self.fail(&context, envelope, is_dead_letter, error).await,
        }
    }

    /// Claims an event. Also returns `true` if an earlier message of the event is a dead letter, so
    /// that another failure adds none.
    ///
    /// A message that was republished from the dead letters, or published after the failure, is a
    /// new request: it claims the entry of a dead letter again. Any other message is a repetition.
    async fn claim(
        &self,
        event_id: &EventId,
        envelope: &Envelope,
    ) -> Result<(Claim, bool), StoreError> {
        let now = self.ports.clock.now();
        let claim = self.ledger.claim(event_id, now).await?;
        let Claim::DeadLettered { at, message } = &claim else {
            return Ok((claim, false));
        };
        let is_republished = envelope.is_republished();
        let is_later = envelope.published_at.is_some_and(|time| time >= *at);
        if !(is_republished || is_later) || *message == envelope.checksum().to_string() {
            return Ok((claim, true));
        }
        let again = self.ledger.claim_again(event_id, now).await?;
        // The dead letter of a republished message is gone.
        Ok((again, !is_republished))
    }

    fn fence(&self, event_id: &EventId, lease: Lease) -> Fence {
        let clock = Arc::clone(&self.ports.clock);
        Fence::new(self.ledger.clone(), clock, event_id.clone(), lease)
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

    /// Records the outcome of an event.
    ///
    /// The lease is renewed until the ledger entry is complete, because writing the audit row may
    /// take longer than a lease. A delivery that has lost its lease writes no row.
    async fn finish(&self, context: &Context, outcome: Outcome) -> Reply {
        let fence = &context.fence;
        let now = self.ports.clock.now();
        let Outcome { entry, events } = outcome;
        let (decision, reason) = (entry.decision.clone(), entry.reason.clone());
        let row = entry.into_row(
            now,
            H::FUNCTION,
            context.event_id.clone(),
            &self.settings.environment,
        );
        if let Err(error) = self.while_renewing(fence, self.record(fence, &row)).await {
            fence.release("cannot write the audit row").await;
            return retry("cannot write the audit row", error);
        }
        self.while_renewing(fence, self.show(context, row.entry))
            .await;
        if let Err(error) = fence.complete(&decision, &events).await {
            fence
                .release("cannot complete the event in the ledger")
                .await;
            return retry("cannot complete the event in the ledger", error);
        }
        tracing::info!(decision, reason, "event handled");
        self.publish(&events).await.unwrap_or(Reply::Done)
    }

    /// Writes an audit row, if the delivery still holds its lease.
    async fn record(&self, fence: &Fence, row: &AuditRow) -> Result<(), Error> {
        fence.check().await?;
        Ok(self.ports.warehouse.record(row).await?)
    }

    async fn fail(
        &self,
        context: &Context,
        envelope: Envelope,
        is_dead_letter: bool,
        error: Error,
    ) -> Reply {
        if error.retryability() == Retryability::Transient {
            context.fence.release(&error.chain()).await;
            return retry("delivery failed, will be retried", error);
        }
        let rejection = Rejection {
            event_id: &context.event_id,
            fence: &context.fence,
            is_dead_letter,
        };
        self.dead_letter(rejection, envelope, error).await
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
