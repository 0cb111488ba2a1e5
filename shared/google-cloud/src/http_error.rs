//! Errors of HTTP calls.

use std::{error::Error, fmt, io, iter, time::Duration};

use reqwest::StatusCode;

/// The maximum number of characters of a response in an error.
const MAX_ERROR_CHARACTERS: usize = 500;

/// An error of an HTTP call.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The service could not be reached, or its response was interrupted. The text names the failed
    /// step: name resolution, connection, TLS, or the response.
    #[error("{}", failed_step(.0))]
    Connection(#[source] reqwest::Error),
    /// The service responded with a status other than 2xx.
    #[error("the service responded with {status}: {}", Truncated(.text))]
    Status {
        /// The status of the response.
        status: StatusCode,
        /// The body of the response.
        text: String,
    },
    /// The service responded with 2xx, but the body is truncated or not the expected JSON.
    #[error("the service responded with {status}, but not with the expected JSON: {}", Truncated(.text))]
    Malformed {
        /// The status of the response.
        status: StatusCode,
        /// The start of the body.
        text: String,
        /// The error of the parser.
        source: serde_json::Error,
    },
    /// An attempt or all attempts together exceeded their time limit.
    #[error("no response from the service within {} s", .limit.as_secs())]
    TimeLimit {
        /// The exceeded time limit.
        limit: Duration,
    },
    /// The request has a streaming body, which cannot be sent again.
    #[error("cannot retry a request with a streaming body")]
    Once,
}

impl HttpError {
    /// Creates the error for a body that is not the expected JSON.
    #[cfg(feature = "clients")]
    pub(crate) fn malformed(status: StatusCode, body: &[u8], source: serde_json::Error) -> Self {
        // A character has at most four bytes.
        let start = &body[..body.len().min(4 * MAX_ERROR_CHARACTERS)];
        Self::Malformed {
            status,
            text: String::from_utf8_lossy(start).into_owned(),
            source,
        }
    }

    /// Returns the HTTP status of the response, if there was one.
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } | Self::Malformed { status, .. } => Some(*status),
            Self::Connection(_) | Self::TimeLimit { .. } | Self::Once => None,
        }
    }

    /// Returns `true` if a retry may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Malformed { .. } | Self::TimeLimit { .. } => true,
            Self::Status { status, .. } => {
                *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
            }
            Self::Once => false,
        }
    }
}

/// Returns an error and its causes on one line, each once.
///
/// The URLs of requests are left out: their queries may be secret, and the callers name the service.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in iter::successors(Some(error), |error| (**error).source()) {
        let cause = cause.to_string();
        let cause = cause.split(" for url (").next().unwrap_or_default();
        // Some errors of libraries include the text of their source.
        if text.is_empty() {
            text.push_str(cause);
        } else if !text.ends_with(cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Returns the step at which a request failed.
///
/// The HTTP client does not export the types of these errors, so their texts identify them.
fn failed_step(error: &reqwest::Error) -> &'static str {
    let causes = || iter::successors(error.source(), |error| (**error).source());
    let has = |text: &str| causes().any(|cause| cause.to_string() == text);
    let is_refused = |cause: &(dyn Error + 'static)| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused)
    };
    if has("dns error") {
        "cannot resolve the host name of the service"
    } else if causes().any(is_refused) {
        "the service refuses connections"
    } else if error.is_connect() && error.is_timeout() {
        "cannot connect to the service in time"
    } else if error.is_timeout() {
        "no response from the service in time"
    } else if error.is_connect() && !has("tcp connect error") && is_https(error) {
        // TLS is the only step after the TCP connection.
        "cannot establish a TLS connection to the service"
    } else if error.is_connect() {
        "cannot connect to the service"
    } else {
        "cannot reach the service"
    }
}

fn is_https(error: &reqwest::Error) -> bool {
    error.url().is_some_and(|url| url.scheme() == "https")
}

/// Displays the first [`MAX_ERROR_CHARACTERS`] characters of a text on one line.
struct Truncated<'a>(&'a str);

impl fmt::Display for Truncated<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |character: char| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        };
        self.0
            .chars()
            .take(MAX_ERROR_CHARACTERS)
            .map(line)
            .try_for_each(|character| fmt::Write::write_char(formatter, character))
    }
}

#[cfg(test)]
mod tests {
    use std::{future, io::Write, net::TcpListener, sync::Arc, thread};

    use reqwest::{
        Client, ClientBuilder,
        dns::{Addrs, Name, Resolve, Resolving},
    };

    use super::*;

    async fn error_of(client: ClientBuilder, url: &str) -> HttpError {
        let client = client.no_proxy().build().unwrap();
        let sent = client.get(url).send().await;
        HttpError::Connection(sent.unwrap_err())
    }

    /// A resolver that finds no host.
    struct NoHosts;

    impl Resolve for NoHosts {
        fn resolve(&self, _name: Name) -> Resolving {
            let none: Result<Addrs, Box<dyn Error + Send + Sync>> = Err("no such host".into());
            Box::pin(future::ready(none))
        }
    }

    #[tokio::test]
    async fn dns_refusal_tls_and_timeout_are_told_apart() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let without_tls = TcpListener::bind("127.0.0.1:0").unwrap();
        let [silent_address, address_without_tls] =
            [&silent, &without_tls].map(|listener| listener.local_addr().unwrap());
        thread::spawn(move || {
            for connection in without_tls.incoming() {
                let written = connection
                    .unwrap()
                    .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                written.unwrap();
            }
        });
        let unknown_host = Client::builder().dns_resolver(Arc::new(NoHosts));
        let impatient = Client::builder().timeout(Duration::from_millis(50));
        for (client, url, expected) in [
            (
                unknown_host,
                "http://service.invalid/".to_owned(),
                "cannot resolve the host name of the service",
            ),
            (
                Client::builder(),
                "http://127.0.0.1:1/".to_owned(),
                "the service refuses connections",
            ),
            (
                Client::builder(),
                format!("https://{address_without_tls}/"),
                "cannot establish a TLS connection to the service",
            ),
            (
                impatient,
                format!("http://{silent_address}/"),
                "no response from the service in time",
            ),
        ] {
            let error = error_of(client, &url).await;
            assert_eq!(error.to_string(), expected, "{}", chain(&error));
        }
    }

    #[tokio::test]
    async fn chain_has_each_cause_once_and_no_url() {
        let error = error_of(Client::builder(), "http://127.0.0.1:1/?token=secret").await;
        let text = chain(&error);
        assert!(
            text.starts_with("the service refuses connections: "),
            "{text}"
        );
        assert!(
            text.contains("tcp connect error") && !text.contains("secret"),
            "{text}"
        );
        assert_eq!(text.matches("error sending request").count(), 1, "{text}");
    }

    #[test]
    fn source_that_its_error_quotes_is_not_repeated() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot get a token: {0}")]
        struct Quoting(#[source] io::Error);
        let error = Quoting(io::Error::other("no route to host"));
        assert_eq!(chain(&error), "cannot get a token: no route to host");
    }
}
