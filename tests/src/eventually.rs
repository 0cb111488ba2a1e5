//! Polling for a state, instead of sleeping for a fixed time.

use std::time::Duration;

const POLLS: u32 = 6_000;
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Polls until `poll` returns a value, and returns that value.
///
/// # Panics
/// Panics with `awaited` in its message if there is no value after half a minute.
pub async fn eventually<T>(awaited: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..POLLS {
        if let Some(found) = poll().await {
            return found;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    panic!("timed out while waiting for {awaited}");
}
