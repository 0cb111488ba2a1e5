//! Topics and subscriptions.

use std::collections::BTreeMap;

use shared::{address::ProjectId, cloud::CloudSettings, event::Function};

/// Makes all topics, the push subscriptions of the functions whose endpoints are given, and the pull subscriptions that
/// keep dead letters.
///
/// # Errors
/// When the service fails.
pub async fn subscriptions(
    _project: &ProjectId,
    _endpoints: &BTreeMap<Function, String>,
    _cloud: &CloudSettings,
) -> anyhow::Result<()> {
    todo!()
}
