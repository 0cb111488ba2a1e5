//! A value that many requests share and one of them refreshes.

use std::sync::Arc;

use parking_lot::RwLock;
use runtime::Error;
use shared::Timestamp;
use tokio::sync::Mutex;

/// The age from which on a request refreshes the value.
const MAXIMUM_AGE_SECONDS: i64 = 600;
/// The age up to which other requests are served meanwhile. Older values are of a process that had
/// no requests for a while.
const MAXIMUM_STALE_SECONDS: i64 = 1200;

/// A value with the time at which it was read.
///
/// A request locks it only to copy a pointer. When the value is old, one request reads it again,
/// and the others are served with the old one.
#[derive(Debug)]
pub(crate) struct Cached<T> {
    value: RwLock<Option<(Timestamp, Arc<T>)>>,
    /// Locked by the request that refreshes the value.
    refresh: Mutex<()>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self {
            value: RwLock::default(),
            refresh: Mutex::default(),
        }
    }
}

enum Age {
    Fresh,
    Stale,
    Expired,
}

impl Age {
    fn of(read_at: Timestamp, now: Timestamp) -> Self {
        match now.as_second() - read_at.as_second() {
            0..MAXIMUM_AGE_SECONDS => Self::Fresh,
            MAXIMUM_AGE_SECONDS..MAXIMUM_STALE_SECONDS => Self::Stale,
            // The clock may also have been set.
            _ => Self::Expired,
        }
    }
}

impl<T> Cached<T> {
    /// Returns the value. Awaits `read` if there is no value, or if the value is old and no other
    /// request refreshes it.
    ///
    /// # Errors
    /// Returns the error of `read`. An old value remains.
    pub(crate) async fn get(
        &self,
        now: Timestamp,
        read: impl Future<Output = Result<T, Error>>,
    ) -> Result<Arc<T>, Error> {
        let _refreshing = match self.known() {
            Some((read_at, value)) => match Age::of(read_at, now) {
                Age::Fresh => return Ok(value),
                Age::Stale => match self.refresh.try_lock() {
                    Ok(refreshing) => refreshing,
                    Err(_) => return Ok(value),
                },
                Age::Expired => self.refresh.lock().await,
            },
            None => self.refresh.lock().await,
        };
        // Another request may have refreshed the value just before.
        if let Some((read_at, value)) = self.known()
            && matches!(Age::of(read_at, now), Age::Fresh)
        {
            return Ok(value);
        }
        let value = Arc::new(read.await?);
        *self.value.write() = Some((now, Arc::clone(&value)));
        Ok(value)
    }

    fn known(&self) -> Option<(Timestamp, Arc<T>)> {
        self.value.read().clone()
    }

    /// Removes the value, so that the next request reads it. Waits for a request that is reading,
    /// because it may have begun before the change.
    pub(crate) async fn clear(&self) {
        let _refreshing = self.refresh.lock().await;
        *self.value.write() = None;
    }
}

#[cfg(test)]
mod tests {
    use tokio::{sync::oneshot, task::yield_now};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_626_652_800 + second).unwrap()
    }

    async fn value(cached: &Cached<u32>, second: i64, read: Result<u32, Error>) -> u32 {
        *cached.get(at(second), async { read }).await.unwrap()
    }

    fn broken() -> Result<u32, Error> {
        Err(Error::transient("the warehouse does not respond"))
    }

    #[tokio::test]
    async fn value_is_read_again_after_ten_minutes() {
        let cached = Cached::default();
        assert_eq!(value(&cached, 0, Ok(1)).await, 1);
        assert_eq!(value(&cached, 599, broken()).await, 1);
        assert_eq!(value(&cached, 600, Ok(2)).await, 2);
        assert_eq!(value(&cached, 1199, broken()).await, 2);
        // The clock was set to the past.
        assert_eq!(value(&cached, 0, Ok(3)).await, 3);
    }

    #[tokio::test]
    async fn cleared_value_is_read_again() {
        let cached = Cached::default();
        assert_eq!(value(&cached, 0, Ok(1)).await, 1);
        cached.clear().await;
        assert_eq!(value(&cached, 1, Ok(2)).await, 2);
    }

    #[tokio::test]
    async fn failed_refresh_is_repeated_by_the_next_request() {
        let cached = Cached::default();
        assert_eq!(value(&cached, 0, Ok(1)).await, 1);
        assert!(cached.get(at(700), async { broken() }).await.is_err());
        assert_eq!(value(&cached, 701, Ok(2)).await, 2);
    }

    /// Starts to refresh the value 1 to the value 2 at a second. The refresh ends with a message.
    async fn refreshing(
        second: i64,
    ) -> (
        Arc<Cached<u32>>,
        oneshot::Sender<u32>,
        tokio::task::JoinHandle<u32>,
    ) {
        let cached = Arc::new(Cached::default());
        assert_eq!(value(&cached, 0, Ok(1)).await, 1);
        let (sender, receiver) = oneshot::channel();
        let shared = Arc::clone(&cached);
        let refresh = tokio::spawn(async move {
            let read = async { Ok(receiver.await.unwrap()) };
            *shared.get(at(second), read).await.unwrap()
        });
        while cached.refresh.try_lock().is_ok() {
            yield_now().await;
        }
        (cached, sender, refresh)
    }

    #[tokio::test]
    async fn stale_value_is_served_while_one_request_refreshes_it() {
        let (cached, sender, refresh) = refreshing(600).await;
        assert_eq!(value(&cached, 600, broken()).await, 1);
        assert_eq!(value(&cached, 1199, broken()).await, 1);
        sender.send(2).unwrap();
        assert_eq!(refresh.await.unwrap(), 2);
        assert_eq!(value(&cached, 601, broken()).await, 2);
    }

    #[tokio::test]
    async fn expired_value_is_not_served() {
        let (cached, sender, refresh) = refreshing(5000).await;
        let shared = Arc::clone(&cached);
        let waiting = tokio::spawn(async move { value(&shared, 5000, broken()).await });
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(!waiting.is_finished());
        sender.send(2).unwrap();
        assert_eq!(refresh.await.unwrap(), 2);
        assert_eq!(waiting.await.unwrap(), 2);
    }
}
