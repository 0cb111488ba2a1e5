#![doc = include_str!("../README.md")]

pub mod address;
pub mod audit;
pub mod baseline;
pub mod bus;
pub mod calendar;
pub mod checksum;
pub mod clock;
pub mod cloud;
pub mod counts;
pub mod drift;
pub mod evaluation;
pub mod event;
pub mod features;
pub mod fixed_test;
pub mod ledger;
pub mod metrics;
pub mod open_data;
pub mod policy;
pub mod registry;
pub mod runtime;
pub mod settings;
pub mod store;
pub mod time;
pub mod warehouse;

/// An instant, as every port and event uses it.
pub use jiff::Timestamp;
