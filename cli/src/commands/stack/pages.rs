//! Serves the pages of a state, made when they are requested, so that they show its present.

use std::net::{Ipv4Addr, SocketAddr};

use ::report::publish::Page;
use anyhow::Context;
use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use shared::{address::ObjectPath, evaluation, ports::Ports, store::StoreError, week_report};
use tokio::{net::TcpListener, task::JoinSet};

use crate::support::exit;

/// The default port.
pub(super) const DEFAULT_PORT: u16 = 8400;

/// A server of pages on 127.0.0.1. Dropping it stops the server.
pub struct PageServer {
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl PageServer {
    /// Starts a server of the pages of a state. Port 0 is a free port.
    ///
    /// # Errors
    /// Returns an error if the port is in use.
    pub async fn start(ports: Ports, port: u16) -> anyhow::Result<Self> {
        let cannot_listen = || {
            format!(
                "cannot listen on 127.0.0.1:{port}; pass another port with --port, or 0 for a free one"
            )
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(cannot_listen)?;
        let address = listener.local_addr().with_context(cannot_listen)?;
        let router = router(ports);
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(error = %error, "local server stopped");
            }
        });
        Ok(Self {
            address,
            _server: server,
        })
    }

    /// Returns the URL of the on-call page.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

fn router(ports: Ports) -> Router {
    let index = format!("/{}", Page::Index.path());
    // The links of a page are relative to its path.
    let redirect = || async move { Redirect::temporary(&index) };
    Router::new()
        .route("/", get(redirect))
        .route("/reports/{*name}", get(report))
        // The page of a week links its evaluation.
        .route("/evaluations/{*name}", get(evaluation))
        .with_state(ports)
}

/// Responds with the evaluation of a challenger.
async fn evaluation(State(ports): State<Ports>, Path(name): Path<String>) -> Response {
    match format!("{}{name}", evaluation::FOLDER).parse() {
        Ok(path) => stored(&ports, &path).await,
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Responds with a page, or with another stored object in its folder, such as the report of a week.
async fn report(State(ports): State<Ports>, Path(name): Path<String>) -> Response {
    let Ok(path) = format!("reports/{name}").parse::<ObjectPath>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match Page::at(path.as_str()) {
        Some(page) => respond_with(page, &ports).await,
        None => stored(&ports, &path).await,
    }
}

async fn respond_with(page: Page, ports: &Ports) -> Response {
    if let Page::Week(week) = page
        && let Ok(None) = ports.store.generation(&week_report::path(week)).await
    {
        let text = format!("{week} is not judged");
        return (StatusCode::NOT_FOUND, text).into_response();
    }
    match page.make(ports).await {
        Ok(html) => ([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(error) => {
            let text = exit::text_of(&error.into());
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

async fn stored(ports: &Ports, path: &ObjectPath) -> Response {
    let kind = match path.as_str().rsplit_once('.') {
        Some((_, "json")) => "application/json",
        _ => "text/plain; charset=utf-8",
    };
    match ports.store.read(path).await {
        Ok(object) => ([(header::CONTENT_TYPE, kind)], object.bytes).into_response(),
        Err(StoreError::NotFound { .. }) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            let text = exit::text_of(&error.into());
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use forecasting::time::{Day, Week};
    use shared::{
        audit::AuditEntry,
        clock::{Clock, SimulatedClock},
        event::{EventId, Function},
        store::Condition,
    };

    use super::*;

    async fn get(url: &str) -> (u16, String, String) {
        let reply = reqwest::get(url).await.unwrap();
        let kind = reply.headers().get("content-type");
        let kind = kind.map_or("", |kind| kind.to_str().unwrap()).to_owned();
        (reply.status().as_u16(), kind, reply.text().await.unwrap())
    }

    #[tokio::test]
    async fn on_call_page_is_served_live_and_stored_reports_as_they_are() {
        let monday: Day = "2021-08-02".parse().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new(monday.at(8)));
        let ports = Ports::in_memory(clock);
        let server = PageServer::start(ports.clone(), 0).await.unwrap();
        let url = server.url();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");

        let (status, kind, before) = get(&url).await;
        assert_eq!((status, kind.as_str()), (200, "text/html; charset=utf-8"));
        assert!(!before.contains("a reason to remember"));
        let row = AuditEntry::new("no-drift", "a reason to remember").into_row(
            monday.at(7),
            Function::DriftCheck,
            EventId::of(Function::DriftCheck, "2021-W30"),
            "local",
        );
        ports.warehouse.record(&row).await.unwrap();
        assert!(get(&url).await.2.contains("a reason to remember"));
        let index = get(&format!("{url}reports/index.html")).await.2;
        assert_eq!(index, get(&url).await.2);

        let week: Week = "2021-W30".parse().unwrap();
        let missing = get(&format!("{url}reports/week/{week}.html")).await;
        assert_eq!(
            (missing.0, missing.2.as_str()),
            (404, "2021-W30 is not judged")
        );
        let path = week_report::path(week);
        let bytes = Bytes::from_static(b"{}");
        ports
            .store
            .write(&path, bytes, Condition::Always)
            .await
            .unwrap();
        let stored = get(&format!("{url}{path}")).await;
        assert_eq!(
            stored,
            (200, "application/json".to_owned(), "{}".to_owned())
        );
    }

    #[tokio::test]
    async fn only_reports_are_served() {
        let clock: Arc<dyn Clock> =
            Arc::new(SimulatedClock::new("2021-08-02T06:00:00Z".parse().unwrap()));
        let ports = Ports::in_memory(clock);
        let secret: ObjectPath = "models/secret.json".parse().unwrap();
        ports
            .store
            .write(&secret, Bytes::from_static(b"{}"), Condition::Always)
            .await
            .unwrap();
        let server = PageServer::start(ports, 0).await.unwrap();
        let url = server.url();
        for path in [
            "models/secret.json",
            "reports/..%2Fmodels/secret.json",
            "reports/none.json",
        ] {
            assert_eq!(get(&format!("{url}{path}")).await.0, 404, "{path}");
        }
    }

    #[tokio::test]
    async fn port_in_use_is_an_error_that_names_the_option() {
        let clock: Arc<dyn Clock> =
            Arc::new(SimulatedClock::new("2021-08-02T06:00:00Z".parse().unwrap()));
        let ports = Ports::in_memory(clock);
        let first = PageServer::start(ports.clone(), 0).await.unwrap();
        let port = first.address.port();
        let error = PageServer::start(ports, port)
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains(&port.to_string()) && error.contains("--port"),
            "{error}"
        );
    }
}
