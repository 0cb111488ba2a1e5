//! `bike-traffic data verify`.

use std::fmt;

use anyhow::bail;
use serde::Serialize;
use shared::{
    baseline::{self, Finding, State},
    store::Store,
};

/// What was found about the data sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// One for each object that a manifest describes, or should.
    pub findings: Vec<Finding>,
}

impl Verification {
    fn invalid(&self) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.state != State::Valid)
            .count()
    }

    /// Returns an error when an object is not what its manifest says.
    ///
    /// # Errors
    /// Then.
    pub fn result(&self) -> anyhow::Result<()> {
        match self.invalid() {
            0 => Ok(()),
            invalid => bail!(
                "{invalid} of {} objects are not what their manifests say; bring them back from an earlier generation of the \
                 bucket, or from DVC",
                self.findings.len()
            ),
        }
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding {
            object,
            data_set,
            state,
        } in &self.findings
        {
            match state {
                State::Valid => writeln!(formatter, "valid       {data_set}  {object}")?,
                State::Missing => writeln!(formatter, "missing     {data_set}  {object}")?,
                State::Changed { sha256, bytes } => {
                    writeln!(
                        formatter,
                        "changed     {data_set}  {object} ({bytes} bytes, SHA-256 {sha256})"
                    )?;
                }
                State::Unreadable(reason) => {
                    writeln!(formatter, "unreadable  {data_set}  {reason}")?
                }
                State::Undescribed => writeln!(formatter, "no manifest {data_set}  {object}")?,
            }
        }
        write!(
            formatter,
            "{} objects, {} of them valid",
            self.findings.len(),
            self.findings.len() - self.invalid()
        )
    }
}

/// Compares every data set of a store with its manifest.
///
/// # Errors
/// When the store fails.
pub async fn verify(store: &dyn Store) -> anyhow::Result<Verification> {
    Ok(Verification {
        findings: baseline::verify(store).await?,
    })
}
