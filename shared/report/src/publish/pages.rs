//! The pages that a function writes beside its work.

use std::error::Error;

use forecasting::time::Week;
use shared::{error_text::with_causes, ports::Ports};

use super::{PageAddress, publish_from};
use crate::index::ChampionSource;

/// The pages of a deployment, for a function that writes them after its decisions.
///
/// Pages are a convenience: a page that cannot be made or written is a warning in the log, and
/// fails no event. `bike-traffic report` makes it again.
pub struct Pages {
    ports: Ports,
    source: ChampionSource,
}

impl Pages {
    /// Returns the pages that are made from these ports.
    pub fn of(ports: &Ports) -> Self {
        Self {
            ports: ports.clone(),
            source: ChampionSource::Registry,
        }
    }

    /// Returns the pages for a function that cannot reach the registry. It writes only the on-call
    /// page, on which the champion is that of the audit log.
    pub fn without_registry(ports: &Ports) -> Self {
        Self {
            source: ChampionSource::AuditLog,
            ..Self::of(ports)
        }
    }

    /// Returns the ports that the pages are made from.
    pub const fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Returns the address of the page of a week.
    pub fn address_of_week(&self, week: Week) -> PageAddress {
        PageAddress::of_week(&*self.ports.store, week)
    }

    /// Writes the pages that a decision changes, as [`publish`](super::publish) does, and logs the
    /// failures.
    pub async fn update<C, F, E>(&self, week: Option<Week>, check: C)
    where
        C: Fn() -> F,
        F: Future<Output = Result<(), E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        // The page of a week reads its versions from the registry.
        let week = week.filter(|_| self.source == ChampionSource::Registry);
        for failure in publish_from(&self.ports, self.source, week, check).await {
            tracing::warn!(error = with_causes(&failure), "cannot write page");
        }
    }
}
