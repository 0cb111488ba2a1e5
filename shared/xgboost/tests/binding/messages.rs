//! Messages of XGBoost go to the log instead of standard error.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::subscriber::with_default;
use xgboost::{Booster, DMatrix};

#[test]
fn unknown_parameter_is_logged_as_a_warning() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    with_default(subscriber, || {
        let data = DMatrix::dense(&[1.0, 2.0], 2).unwrap();
        Booster::new(&[("etaa", "0.3")], &[&data])
            .unwrap()
            .rounds()
            .unwrap();
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("WARN xgboost"), "{text}");
    assert!(text.contains("etaa"), "{text}");
    assert!(text.contains("are not used"), "{text}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
