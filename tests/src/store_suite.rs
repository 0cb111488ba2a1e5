//! Tests that every `Store` passes.

mod concurrency;
mod conditions;
mod listing;
mod objects;

use std::sync::Arc;

use shared::{
    address::ObjectPath,
    store::{Condition, Store, StoreError},
};

pub use concurrency::{
    concurrent_increments_are_all_counted, concurrent_reader_sees_complete_writes,
    one_of_concurrent_creates_succeeds, one_of_concurrent_swaps_succeeds,
    write_is_visible_through_another_handle,
};
pub use conditions::{
    create_of_existing_object_fails, failed_write_changes_nothing, generations_increase,
    swap_of_missing_object_fails, swap_with_stale_generation_fails,
};
pub use listing::{list_is_filtered_by_prefix_and_sorted, list_of_missing_prefix_is_empty};
pub use objects::{
    empty_object_is_read_back_and_listed, folders_are_not_objects, large_object_is_read_back,
    missing_object_is_reported_with_its_address, similar_names_are_distinct_objects,
    special_characters_in_names_are_preserved, written_object_is_read_back,
};

/// Expands to the tests of the suite. The expression `$target` creates a [`Setup`] for each test.
#[macro_export]
macro_rules! store_suite {
    ($target:expr) => {
        $crate::suite_tests!(
            store_suite,
            $target,
            [
                written_object_is_read_back,
                empty_object_is_read_back_and_listed,
                large_object_is_read_back,
                missing_object_is_reported_with_its_address,
                special_characters_in_names_are_preserved,
                similar_names_are_distinct_objects,
                folders_are_not_objects,
                generations_increase,
                create_of_existing_object_fails,
                failed_write_changes_nothing,
                swap_with_stale_generation_fails,
                swap_of_missing_object_fails,
                one_of_concurrent_creates_succeeds,
                one_of_concurrent_swaps_succeeds,
                concurrent_increments_are_all_counted,
                concurrent_reader_sees_complete_writes,
                write_is_visible_through_another_handle,
                list_is_filtered_by_prefix_and_sorted,
                list_of_missing_prefix_is_empty,
            ]
        );
    };
}

/// The store under test.
pub struct Setup {
    prefix: String,
    open: Box<dyn Fn() -> Arc<dyn Store> + Send + Sync>,
}

impl Setup {
    /// Creates a target from a prefix and a function that opens a handle of the store.
    ///
    /// The prefix has no trailing slash, and no object has it yet. `open` returns a new handle if
    /// the adapter supports several, and the same handle otherwise.
    pub fn new(prefix: &str, open: impl Fn() -> Arc<dyn Store> + Send + Sync + 'static) -> Self {
        Self {
            prefix: prefix.to_owned(),
            open: Box::new(open),
        }
    }

    fn open(&self) -> Arc<dyn Store> {
        (self.open)()
    }

    fn path(&self, name: &str) -> ObjectPath {
        format!("{}/{name}", self.prefix).parse().unwrap()
    }
}

async fn assert_condition_fails(store: &dyn Store, path: &ObjectPath, condition: Condition) {
    let error = store
        .write(path, "refused".into(), condition)
        .await
        .unwrap_err();
    let is_named = matches!(&error, StoreError::ConditionFailed { address } if *address == store.address_of(path));
    assert!(is_named, "{condition:?}: {error:?}");
}
