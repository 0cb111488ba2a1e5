#![doc = include_str!("../README.md")]

pub mod address;
pub mod audit;
pub mod baseline;
pub mod bus;
pub mod clock;
pub mod error_text;
pub mod evaluation;
pub mod event;
pub mod fixed_test;
pub mod ledger;
pub mod notifier;
pub mod open_data;
pub mod ports;
pub mod program;
pub mod registry;
pub mod retryability;
pub mod settings;
pub mod store;
pub mod training_baseline;
pub mod warehouse;
pub mod week_report;

/// The type of instants in all ports and events.
pub use jiff::Timestamp;
