//! Modules that several commands share.

pub(crate) mod background;
pub(crate) mod data_file;
pub mod dead_letters;
pub(crate) mod decision;
pub mod embedded_bus;
pub(crate) mod env_file;
pub mod exit;
#[cfg(test)]
pub(crate) mod handmade;
pub(crate) mod interrupt;
pub(crate) mod last_run;
pub(crate) mod output;
pub(crate) mod predecessor;
pub(crate) mod progress;
pub mod sample_data;
pub mod state;
pub(crate) mod stdout;
pub(crate) mod stop;
#[cfg(feature = "cloud")]
pub mod subscriptions;
pub mod table;
pub(crate) mod table_file;
pub mod tracks;
