//! The HTTP server: HTTP/1, with timeouts, a limit of connections, and a bounded shutdown.
//!
//! `axum::serve` has none of these. Clients that send half a header or half a body would hold
//! connections, and a shutdown, as long as they like.

mod connections;

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{BoxError, Router, body::Body, http::Request, response::Response};
use bytes::Bytes;
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinError,
    time::Sleep,
};
use tokio_util::task::TaskTracker;

use self::connections::Connections;

/// The time to wait before the next connection if the process has too many open files.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// The limits of the HTTP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// The maximum time until a request's header is complete. It begins with the connection, or
    /// with the end of the response before, so it is also the maximum idle time.
    pub header: Duration,
    /// The maximum time from the header to the end of the body.
    pub body: Duration,
    /// The maximum number of connections. A new connection replaces the oldest one that has no
    /// complete request.
    pub connections: usize,
    /// The maximum duration of a shutdown. Cloud Run kills a process ten seconds after SIGTERM.
    pub shutdown: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            body: Duration::from_secs(30),
            // Below the usual limit of 1,024 open files.
            connections: 950,
            shutdown: Duration::from_secs(7),
        }
    }
}

/// Serves a router until `shutdown` is ready. Then closes the listener and finishes the requests in
/// flight, for at most [`HttpLimits::shutdown`]. A request stays in flight when its client
/// disconnects.
///
/// In the first quarter of that time every client may finish its request. Then connections without
/// a complete request are closed. Returns `false` if requests were still in flight at the end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: HttpLimits,
    shutdown: impl Future<Output = ()>,
) -> bool {
    let (drain, draining) = watch::channel(());
    let requests = TaskTracker::new();
    let mut connections = Connections::new(limits.connections);
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            () = connections.reap() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connections.add(|is_busy| {
                    let connection = Connection {
                        router: router.clone(),
                        requests: requests.clone(),
                        limits,
                        is_busy,
                        is_used: Arc::default(),
                    };
                    connection.serve(stream, draining.clone())
                }),
                // The client has closed the connection already.
                Err(error) if is_of_client(&error) => {}
                Err(error) => {
                    tracing::warn!(error = %error, "cannot accept a connection");
                    connections.close_oldest_waiting();
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            },
        }
    }
    drop(listener);
    drain.send_replace(());
    requests.close();
    let patience = limits.shutdown / 4;
    if tokio::time::timeout(patience, all_done(&mut connections, &requests))
        .await
        .is_ok()
    {
        return true;
    }
    connections.close_waiting();
    let rest = limits.shutdown - patience;
    tokio::time::timeout(rest, all_done(&mut connections, &requests))
        .await
        .is_ok()
}

async fn all_done(connections: &mut Connections, requests: &TaskTracker) {
    connections.all_closed().await;
    requests.wait().await;
}

fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// The parts of the server that a connection uses.
struct Connection {
    router: Router,
    /// The requests in flight. Each runs in its own task, so that a client that disconnects cannot
    /// interrupt it.
    requests: TaskTracker,
    limits: HttpLimits,
    /// `true` from the end of a request's body to its response.
    is_busy: Arc<AtomicBool>,
    /// Has a permit from the first request on.
    is_used: Arc<Notify>,
}

impl Connection {
    async fn serve(self, stream: TcpStream, mut draining: watch::Receiver<()>) {
        // Responses are small and complete, so Nagle's algorithm would only delay them.
        drop(stream.set_nodelay(true));
        let mut server = http1::Builder::new();
        server
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header);
        let is_used = Arc::clone(&self.is_used);
        let service = service_fn(move |request| self.respond(request));
        let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
        let served = tokio::select! {
            served = connection.as_mut() => served,
            _ = draining.changed() => {
                // A connection without a request would be closed at once. Its request may be on
                // the way.
                tokio::select! {
                    served = connection.as_mut() => served,
                    () = is_used.notified() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            }
        };
        if let Err(error) = served {
            tracing::debug!(error = %error, "connection ended early");
        }
    }

    /// Starts a request. The future waits for its response, and fails if the request panics.
    fn respond(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response, JoinError>> + use<> {
        self.is_used.notify_one();
        let is_busy = Arc::clone(&self.is_busy);
        let limit = self.limits.body;
        let request =
            request.map(|body| Body::new(TimedBody::new(body, limit, Arc::clone(&is_busy))));
        let response = TowerToHyperService::new(self.router.clone()).call(request);
        let response = self.requests.spawn(response);
        async move {
            let response = response.await;
            is_busy.store(false, Ordering::Relaxed);
            response.map(|response| response.unwrap_or_else(|never| match never {}))
        }
    }
}

/// The body of a request, which must be complete after a certain time.
struct TimedBody {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
    is_busy: Arc<AtomicBool>,
}

impl TimedBody {
    fn new(body: Incoming, limit: Duration, is_busy: Arc<AtomicBool>) -> Self {
        is_busy.store(body.is_end_stream(), Ordering::Relaxed);
        Self {
            body,
            deadline: Box::pin(tokio::time::sleep(limit)),
            is_busy,
        }
    }
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let frame = Pin::new(&mut this.body).poll_frame(context);
        if frame.is_pending() && this.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err("the body is not complete in time".into())));
        }
        if matches!(frame, Poll::Ready(None)) {
            this.is_busy.store(true, Ordering::Relaxed);
        }
        frame.map_err(BoxError::from)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
