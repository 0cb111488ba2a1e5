//! `bike-traffic data verify`: compares data sets with their manifests.

use std::fmt;

use anyhow::bail;
use serde::Serialize;
use shared::{
    baseline::{self, Finding, State},
    store::Store,
};

/// The report of a verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The findings, one for each object that has or needs a manifest.
    pub findings: Vec<Finding>,
}

impl Verification {
    fn invalid(&self) -> usize {
        self.findings
            .iter()
            .filter(|finding| !matches!(finding.state, State::Valid | State::Uploaded))
            .count()
    }

    /// Returns `Ok` if all objects are valid.
    ///
    /// # Errors
    /// Returns an error if an object differs from its manifest, is missing or has no manifest.
    pub fn result(&self) -> anyhow::Result<()> {
        match self.invalid() {
            0 => Ok(()),
            invalid => bail!(
                "{invalid} of {} objects do not match their manifests; restore them from an earlier generation in the \
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
                State::Uploaded => writeln!(
                    formatter,
                    "uploaded    {data_set}  {object} is another file; the functions do not read it"
                )?,
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
            "{} objects, {} valid",
            self.findings.len(),
            self.findings.len() - self.invalid()
        )
    }
}

/// Compares every data set of a store with its manifest.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn verify(store: &dyn Store) -> anyhow::Result<Verification> {
    Ok(Verification {
        findings: baseline::verify(store).await?,
    })
}
