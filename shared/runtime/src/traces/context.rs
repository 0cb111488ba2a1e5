//! The trace context in the attributes of messages, see <https://www.w3.org/TR/trace-context/>.

use std::collections::{BTreeMap, HashMap};

use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator},
    trace::TraceContextExt,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The attribute with the trace and its last span, and the name of the header of the same form.
const TRACE_PARENT: &str = "traceparent";
/// The prefix of the attributes that Google's client libraries write. Names that begin with `goog`
/// are reserved for them.
const GOOGLE_PREFIX: &str = "googclient_";
/// The lengths of version, trace id, span id and flags.
const LENGTHS: [usize; 4] = [2, 32, 16, 2];

/// Returns the trace context in the attributes of a message; an empty one without a valid
/// `traceparent`.
pub(super) fn of_message(attributes: &BTreeMap<String, String>) -> Context {
    let with_prefix = |prefix: &'static str| {
        let carrier = Attributes { attributes, prefix };
        TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
    };
    let context = with_prefix("");
    if context.has_active_span() {
        context
    } else {
        with_prefix(GOOGLE_PREFIX)
    }
}

/// Adds the current trace context to the attributes of a message, if there is one.
pub(crate) fn add_to_message(attributes: &mut BTreeMap<String, String>) {
    let mut fields = HashMap::<String, String>::new();
    Context::map_current(|context| {
        TraceContextPropagator::new().inject_context(context, &mut fields);
    });
    // `tracestate` is usually empty.
    fields.retain(|_, value| !value.is_empty());
    attributes.extend(fields);
}

struct Attributes<'a> {
    attributes: &'a BTreeMap<String, String>,
    prefix: &'static str,
}

impl Extractor for Attributes<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = self.attributes.get(&format!("{}{key}", self.prefix))?;
        (key != TRACE_PARENT || is_well_formed(value)).then_some(value.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        self.attributes.keys().map(String::as_str).collect()
    }
}

/// Returns `true` if the parts of a `traceparent` have their lengths. The propagator also accepts
/// shorter parts.
fn is_well_formed(parent: &str) -> bool {
    let lengths: Vec<_> = parent.split('-').map(str::len).collect();
    let is_valid = |digit: u8| digit == b'-' || digit.is_ascii_hexdigit();
    lengths.starts_with(&LENGTHS) && parent.bytes().all(is_valid)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::FutureExt;

    use super::*;

    /// The example of the specification.
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    /// Returns the attributes of a message that is published while another message is handled.
    async fn passed_on(received: &[(&str, &str)]) -> BTreeMap<String, String> {
        let publish = async {
            let mut attributes = BTreeMap::new();
            add_to_message(&mut attributes);
            attributes
        };
        publish
            .with_context(of_message(&attributes(received)))
            .await
    }

    #[tokio::test]
    async fn valid_context_is_passed_on() {
        let unsampled = PARENT.replace("-01", "-00");
        for parent in [PARENT, &unsampled] {
            let expected = attributes(&[("traceparent", parent)]);
            assert_eq!(passed_on(&[("traceparent", parent)]).await, expected);
            let of_google = [("googclient_traceparent", parent), ("origin", "scheduler")];
            assert_eq!(passed_on(&of_google).await, expected);
        }
        let with_state = [("traceparent", PARENT), ("tracestate", "vendor=1")];
        assert_eq!(passed_on(&with_state).await, attributes(&with_state));
        let other = PARENT.replace("0af", "1af");
        let both = [
            ("traceparent", PARENT),
            ("googclient_traceparent", other.as_str()),
        ];
        assert_eq!(
            passed_on(&both).await,
            attributes(&[("traceparent", PARENT)])
        );
    }

    #[tokio::test]
    async fn malformed_context_is_ignored() {
        let invalid = [
            "",
            "00",
            "00-invalid",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-00",
            "00-0af-b7a-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-é",
        ];
        for parent in invalid {
            let found = passed_on(&[("traceparent", parent)]).await;
            assert_eq!(found, BTreeMap::new(), "{parent}");
        }
        assert_eq!(passed_on(&[]).await, BTreeMap::new());
    }
}
