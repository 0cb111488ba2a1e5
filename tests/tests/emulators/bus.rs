//! The suite of the bus port.
