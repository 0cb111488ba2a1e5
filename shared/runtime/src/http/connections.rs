//! The open connections of a server.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::task::{AbortHandle, JoinSet};

/// The open connections, up to a limit.
pub(super) struct Connections {
    limit: usize,
    tasks: JoinSet<()>,
    /// In the order of their beginning; may contain connections that have ended.
    open: Vec<Connection>,
}

struct Connection {
    task: AbortHandle,
    is_busy: Arc<AtomicBool>,
}

impl Connections {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            tasks: JoinSet::new(),
            open: Vec::new(),
        }
    }

    /// Starts the task of a connection, which tells by the flag that it works on a request.
    ///
    /// At the limit, the oldest connection that waits for its client is closed. If there is none,
    /// the new connection is closed.
    pub(super) fn add<F>(&mut self, serve: impl FnOnce(Arc<AtomicBool>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.open.len() >= self.limit {
            self.open
                .retain(|connection| !connection.task.is_finished());
        }
        if self.open.len() >= self.limit && !self.close_oldest_waiting() {
            tracing::warn!(limit = self.limit, "rejected connection over the limit");
            return;
        }
        let is_busy = Arc::new(AtomicBool::new(false));
        let task = self.tasks.spawn(serve(Arc::clone(&is_busy)));
        self.open.push(Connection { task, is_busy });
    }

    /// Closes the oldest connection without a complete request. Returns `false` if there is none.
    pub(super) fn close_oldest_waiting(&mut self) -> bool {
        let is_waiting = |connection: &Connection| {
            !connection.is_busy.load(Ordering::Relaxed) && !connection.task.is_finished()
        };
        let Some(position) = self.open.iter().position(is_waiting) else {
            return false;
        };
        self.open.remove(position).task.abort();
        true
    }

    /// Closes all connections without a complete request.
    pub(super) fn close_waiting(&mut self) {
        while self.close_oldest_waiting() {}
    }

    /// Waits until a connection has ended.
    pub(super) async fn reap(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until all connections have ended.
    pub(super) async fn all_closed(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
