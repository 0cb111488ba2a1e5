#![doc = include_str!("../README.md")]

pub mod calendar;
pub mod checksum;
pub mod correction;
pub mod counts;
pub mod coverage;
pub mod drift;
pub mod features;
pub mod interval;
pub mod metrics;
pub mod policy;
pub mod time;
