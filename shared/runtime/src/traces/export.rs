//! The export of ended spans with OTLP over HTTP, see
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.

use std::{sync::Arc, time::Duration};

use google_cloud::{Tokens, http_client};
use opentelemetry::Context;
use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use prost::Message;
use reqwest::{
    Client, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use shared::settings::SettingsError;

use crate::Error;

/// The variable with the address of the collector.
pub(super) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The variable with the headers of each export.
pub(super) const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// The maximum number of spans that wait for their export. Further spans are dropped.
const MOST_SPANS: usize = 2_048;

/// The ended spans that wait for their export. Clones share them.
///
/// The batch processor of the SDK has a thread, and a caller who waits for its export blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue(Arc<Mutex<Vec<SpanData>>>);

impl Queue {
    /// Removes all spans and returns them.
    pub(super) fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        let mut spans = self.0.lock();
        if span.span_context.is_sampled() && spans.len() < MOST_SPANS {
            spans.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _limit: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The client of a collector.
#[derive(Debug)]
pub(super) struct Exporter {
    http: Client,
    url: Url,
    headers: HeaderMap,
    /// The credentials of the function, for Google's collector only.
    tokens: Option<Tokens>,
    resource: ResourceAttributesWithSchema,
}

impl Exporter {
    /// Creates the exporter to a collector. `headers` is the value of [`HEADERS`], and `resource`
    /// describes the process.
    ///
    /// # Errors
    /// Returns an error if the address or a header is invalid, or if there are no credentials for
    /// Google's collector.
    pub(super) fn new(
        endpoint: &str,
        headers: &str,
        resource: &Resource,
    ) -> Result<Self, SettingsError> {
        let url = traces_url(endpoint)?;
        let tokens = is_google(&url).then(|| Tokens::for_emulator(None));
        Ok(Self {
            http: http_client().map_err(|error| invalid(ENDPOINT, error))?,
            headers: parse_headers(headers)?,
            tokens: tokens
                .transpose()
                .map_err(|error| invalid(ENDPOINT, error))?,
            resource: resource.into(),
            url,
        })
    }

    /// Sends spans to the collector.
    ///
    /// # Errors
    /// Returns an error if there is no token, or if the collector does not answer with a status of
    /// success.
    pub(super) async fn send(&self, spans: Vec<SpanData>) -> Result<(), Error> {
        let attempt = || Error::transient("cannot export spans");
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let mut request = self
            .http
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(body);
        if let Some(tokens) = &self.tokens {
            let authorized = tokens.authorize(request).await;
            request = authorized.map_err(|error| attempt().caused_by(error))?;
        }
        let response = request.send().await;
        response
            .and_then(reqwest::Response::error_for_status)
            .map(drop)
            .map_err(|error| attempt().caused_by(error))
    }
}

/// Returns the URL of the traces at a collector.
fn traces_url(endpoint: &str) -> Result<Url, SettingsError> {
    let text = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let url: Url = text.parse().map_err(|error| invalid(ENDPOINT, error))?;
    if matches!(url.scheme(), "http" | "https") {
        return Ok(url);
    }
    let reason = "expected an address that starts with http:// or https://";
    Err(invalid(ENDPOINT, reason))
}

/// Returns `true` for a collector of Google, which requires the token of a service account.
fn is_google(url: &Url) -> bool {
    let is_of_google = |host: &str| host.ends_with(".googleapis.com");
    url.scheme() == "https" && url.host_str().is_some_and(is_of_google)
}

/// Parses headers in the form `name=value,name=value`. Values are percent-encoded.
fn parse_headers(text: &str) -> Result<HeaderMap, SettingsError> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| invalid(HEADERS, "expected name=value, separated by commas"))?;
        let value = percent_decode_str(value.trim()).decode_utf8_lossy();
        let name: HeaderName = name
            .trim()
            .parse()
            .map_err(|error| invalid(HEADERS, error))?;
        let mut value: HeaderValue = value.parse().map_err(|error| invalid(HEADERS, error))?;
        // A header may be an API key.
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn invalid(name: &'static str, reason: impl ToString) -> SettingsError {
    SettingsError::Invalid {
        name,
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_sent_to_the_path_of_the_protocol() {
        for endpoint in ["http://localhost:4318", "http://localhost:4318/"] {
            let url = traces_url(endpoint).unwrap();
            assert_eq!(url.as_str(), "http://localhost:4318/v1/traces");
        }
        let url = traces_url("https://collector.example/otlp").unwrap();
        assert_eq!(url.as_str(), "https://collector.example/otlp/v1/traces");
        for endpoint in ["collector", "localhost:4318", "grpc://localhost:4317"] {
            let error = traces_url(endpoint).unwrap_err().to_string();
            let expected = "the environment variable OTEL_EXPORTER_OTLP_ENDPOINT is invalid: ";
            assert!(error.starts_with(expected), "{endpoint}: {error}");
        }
    }

    /// The token of the function must not reach another host.
    #[test]
    fn token_is_for_google_only() {
        for (endpoint, expected) in [
            ("https://telemetry.googleapis.com", true),
            ("http://telemetry.googleapis.com", false),
            ("https://telemetry.googleapis.com.example", false),
            ("https://notgoogleapis.com", false),
            ("http://localhost:4318", false),
        ] {
            let url = traces_url(endpoint).unwrap();
            assert_eq!(is_google(&url), expected, "{endpoint}");
        }
    }

    #[test]
    fn headers_are_pairs_with_percent_encoded_values() {
        let headers = parse_headers("api-key=a%20b%2Cc, x-team = bikes,").unwrap();
        assert_eq!(headers["api-key"], "a b,c");
        assert_eq!(headers["x-team"], "bikes");
        assert!(headers["api-key"].is_sensitive());
        assert!(parse_headers("").unwrap().is_empty());
        for text in ["api-key", "a b=c", "api-key=%0A"] {
            let error = parse_headers(text).unwrap_err().to_string();
            let expected = "the environment variable OTEL_EXPORTER_OTLP_HEADERS is invalid: ";
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
