//! What needs emulators of Google Cloud and an MLflow server; `make test-emulators` starts them and runs this.

mod bus;
mod place;
mod registry;
mod store;
mod warehouse;
