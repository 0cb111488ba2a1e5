//! Work in the background.

use tokio::task::JoinHandle;

/// Waits for a task and returns its value. If the task panicked, the panic continues here.
pub(crate) async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(value) => value,
        // The task is never cancelled, so it panicked.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn value_and_panic_of_a_task_are_passed_on() {
        assert_eq!(joined(tokio::spawn(async { 7 })).await, 7);
        let outer = tokio::spawn(joined(tokio::spawn(async { panic!("broken") })));
        let panic: Result<(), _> = outer.await;
        let cause = panic.unwrap_err().into_panic();
        assert_eq!(cause.downcast_ref::<&str>(), Some(&"broken"));
    }
}
