//! Waiting for a state instead of for a time.

use std::time::Duration;

const LOOKS: u32 = 6_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Looks again and again until there is something to see, and returns it.
///
/// # Panics
/// When there is nothing after half a minute; `what` says what was waited for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    panic!("waited in vain for {what}");
}
