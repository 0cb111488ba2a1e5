//! The suite of the store port.
