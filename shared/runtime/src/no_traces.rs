//! Traces in a build without the feature `cloud`: none is exported, and messages carry none on.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};
use shared::{
    event::Function,
    ports::Ports,
    settings::{SettingsError, Variables, optional},
};
use tracing::Subscriber;
use tracing_subscriber::{Layer, layer::Identity, registry::LookupSpan};

use crate::{Envelope, Reply};

/// The variable with the address of the collector.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The traces of a process. A build without the feature `cloud` has none.
#[derive(Clone, Debug)]
pub struct Traces;

impl Traces {
    /// Returns `None`, because this build has no exporter.
    ///
    /// # Errors
    /// Returns an error if `OTEL_EXPORTER_OTLP_ENDPOINT` is set.
    pub fn read(
        variables: &dyn Variables,
        _function: Function,
    ) -> Result<Option<Self>, SettingsError> {
        match optional::<String>(variables, ENDPOINT)? {
            None => Ok(None),
            Some(_) => Err(SettingsError::Invalid {
                name: ENDPOINT,
                reason: "this build exports no traces; run `make build`, or unset the variable"
                    .to_owned(),
            }),
        }
    }

    /// Returns a layer that records nothing.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync + 'static,
    {
        Identity::new()
    }

    /// Returns the ports unchanged.
    pub fn wrap(&self, ports: Ports) -> Ports {
        ports
    }

    pub(crate) fn add_span(&self, _entry: &mut Map<String, Value>) {}

    pub(crate) async fn flush(&self, _limit: Duration) {}
}

/// The trace of a delivery, which this build does not continue.
pub(crate) struct DeliveryTrace;

impl DeliveryTrace {
    pub(crate) fn new(
        _traces: Option<&Traces>,
        _function: Function,
        _envelope: &Envelope,
        _attempt: Option<i64>,
    ) -> Self {
        Self
    }

    pub(crate) async fn run(self, work: impl Future<Output = Reply>) -> Reply {
        work.await
    }
}

pub(crate) fn record_decision(_decision: &str) {}

pub(crate) fn add_to_message(_attributes: &mut BTreeMap<String, String>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collector_is_refused_with_the_command_that_builds_the_exporter() {
        let read = |known: &'static str| {
            let variables =
                move |name: &str| (name == known).then(|| "http://127.0.0.1:4318".to_owned());
            Traces::read(&variables, Function::Ingest)
        };
        assert!(read("ENVIRONMENT").unwrap().is_none());
        let error = read(ENDPOINT).unwrap_err().to_string();
        assert!(
            error.contains(ENDPOINT) && error.contains("`make build`"),
            "{error}"
        );
    }
}
