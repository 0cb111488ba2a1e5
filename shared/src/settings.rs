//! Settings are read and parsed before anything listens or connects; a wrong one is named.

use std::{fmt, str::FromStr};

use crate::address::Address;

/// Where settings come from: the process's environment, or a map in tests.
pub trait Variables {
    /// Returns a variable, `None` where it is not set.
    fn get(&self, name: &str) -> Option<String>;
}

/// The environment of the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessVariables;

impl Variables for ProcessVariables {
    fn get(&self, name: &str) -> Option<String> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        std::env::var(name).ok()
    }
}

impl<F: Fn(&str) -> Option<String>> Variables for F {
    fn get(&self, name: &str) -> Option<String> {
        self(name)
    }
}

/// Reads a variable that must be set.
///
/// # Errors
/// When it is not set, is empty or cannot be parsed.
pub fn required<T>(variables: &dyn Variables, name: &'static str) -> Result<T, SettingsError>
where
    T: FromStr<Err: fmt::Display>,
{
    optional(variables, name)?.ok_or(SettingsError::Missing { name })
}

/// Reads a variable that may be absent.
///
/// # Errors
/// When it cannot be parsed.
pub fn optional<T>(variables: &dyn Variables, name: &'static str) -> Result<Option<T>, SettingsError>
where
    T: FromStr<Err: fmt::Display>,
{
    let Some(text) = variables.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|reason: T::Err| SettingsError::Invalid { name, reason: reason.to_string() })
}

/// A setting that a program cannot start with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is not there.
    #[error("the environment variable {name} is not set")]
    Missing {
        /// The variable.
        name: &'static str,
    },
    /// It cannot be used.
    #[error("the environment variable {name} cannot be used: {reason}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where a function finds its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortAddresses {
    /// `STORE_URL`: artifacts, baselines and the ledger.
    pub store: Address,
    /// `WAREHOUSE_URL`: the daily tables and the audit log.
    pub warehouse: Address,
    /// `MLFLOW_TRACKING_URI`: the registry of models.
    pub registry: Address,
    /// `BUS_URL`: where events are published.
    pub bus: Address,
}

impl PortAddresses {
    /// Reads all four.
    ///
    /// # Errors
    /// When one is missing or no address.
    pub fn read(variables: &dyn Variables) -> Result<Self, SettingsError> {
        Ok(Self {
            store: required(variables, "STORE_URL")?,
            warehouse: required(variables, "WAREHOUSE_URL")?,
            registry: required(variables, "MLFLOW_TRACKING_URI")?,
            bus: required(variables, "BUS_URL")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<'a>(known: &'a [(&'a str, &'a str)]) -> impl Variables + 'a {
        move |name: &str| known.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_error_names_the_variable() {
        let missing = PortAddresses::read(&variables(&[("STORE_URL", "memory://")])).unwrap_err();
        assert_eq!(missing, SettingsError::Missing { name: "WAREHOUSE_URL" });
        let wrong = PortAddresses::read(&variables(&[("STORE_URL", "here")])).unwrap_err().to_string();
        assert!(wrong.contains("STORE_URL") && wrong.contains("`here`"), "{wrong}");
    }

    #[test]
    fn an_absent_address_is_no_fallback_and_neither_is_an_empty_one() {
        assert!(PortAddresses::read(&variables(&[])).is_err());
        assert!(PortAddresses::read(&variables(&[("STORE_URL", "")])).is_err());
    }
}
