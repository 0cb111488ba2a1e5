//! Makes on emulators what terraform makes on Google Cloud: the bucket, the datasets, topics and subscriptions.
//!
//! Everything here may be done again and then changes nothing.

mod pubsub;
mod storage;
mod tables;

pub use pubsub::{Delivery, subscriptions};
pub use storage::bucket;
pub use tables::tables;
