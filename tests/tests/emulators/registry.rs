//! The suite of the registry port.
