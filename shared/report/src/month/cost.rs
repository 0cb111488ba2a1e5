//! The estimated cost of a month, by the table in docs/deploy.md.

use shared::event::Function;

/// The price of a vCPU-second and of a GiB-second on Cloud Run, in US dollars.
const VCPU_SECOND: f64 = 0.000_024;
const GIB_SECOND: f64 = 0.000_002_5;
/// The price of a TiB that BigQuery scans, in US dollars. The first TiB of a month is free.
const SCANNED_TIB: f64 = 6.25;
const FREE_TIB: f64 = 1.0;
/// Each event is delivered once more on average, for retries.
const DELIVERIES: f64 = 2.0;
/// The seconds for which MLflow runs for a delivery: its start and its work.
const MLFLOW_SECONDS: f64 = 23.0;
const MLFLOW_GIB: f64 = 2.0;
const BYTES_OF_TIB: f64 = 1_099_511_627_776.0;

/// The parts that do not depend on the number of events, in US dollars a month.
const FIXED: [(&str, f64); 4] = [
    ("Cloud SQL, db-f1-micro", 7.67),
    ("its disk and backups", 1.78),
    ("Monitoring", 1.57),
    ("Artifact Registry and Cloud Storage", 0.17),
];

/// The work of one delivery.
struct Work {
    seconds: f64,
    vcpus: f64,
    gib: f64,
    uses_mlflow: bool,
    scanned_megabytes: f64,
}

/// The estimated cost of a month, in US dollars.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// The number of handled events of each function.
    pub events: Vec<(Function, usize)>,
    /// The parts of the cost: name, quantity and US dollars.
    pub parts: Vec<(String, String, f64)>,
    /// The gigabytes that queries scan.
    pub scanned_gigabytes: f64,
}

impl Cost {
    /// Estimates the cost of a whole month with these numbers of events.
    pub fn of(events: Vec<(Function, usize)>) -> Self {
        let sum = |part: fn(&Work) -> f64| -> f64 {
            let of_function =
                |(function, number): &(Function, usize)| part(&work(*function)) * *number as f64;
            events.iter().map(of_function).sum()
        };
        let vcpu = DELIVERIES * sum(|work| work.seconds * work.vcpus);
        let memory = DELIVERIES * sum(|work| work.seconds * work.gib);
        let mlflow = sum(|work| {
            if work.uses_mlflow {
                MLFLOW_SECONDS
            } else {
                0.0
            }
        });
        let megabytes = sum(|work| work.scanned_megabytes);
        let tib = megabytes * 1e6 / BYTES_OF_TIB;
        let mut parts: Vec<_> = FIXED
            .into_iter()
            .map(|(name, price)| (name.to_owned(), "a month".to_owned(), price))
            .collect();
        parts.extend([
            (
                "Cloud Run, functions".to_owned(),
                format!("{vcpu:.0} vCPU-seconds, {memory:.0} GiB-seconds"),
                vcpu * VCPU_SECOND + memory * GIB_SECOND,
            ),
            (
                "Cloud Run, MLflow".to_owned(),
                format!("{mlflow:.0} seconds"),
                mlflow * (VCPU_SECOND + MLFLOW_GIB * GIB_SECOND),
            ),
            (
                "BigQuery, queries".to_owned(),
                format!("{:.1} GB, the first TiB is free", megabytes / 1e3),
                (tib - FREE_TIB).max(0.0) * SCANNED_TIB,
            ),
        ]);
        Self {
            events,
            parts,
            scanned_gigabytes: megabytes / 1e3,
        }
    }

    /// Returns the sum of all parts, in US dollars.
    pub fn total(&self) -> f64 {
        self.parts.iter().map(|(_, _, price)| price).sum()
    }
}

/// Returns the work of a delivery, as assumed in docs/deploy.md.
fn work(function: Function) -> Work {
    let work = |seconds, vcpus, gib, scanned_megabytes| Work {
        seconds,
        vcpus,
        gib,
        uses_mlflow: function != Function::Ingest,
        scanned_megabytes,
    };
    match function {
        Function::Ingest => work(10.0, 1.0, 0.5, 10.0),
        Function::Predict => work(10.0, 1.0, 1.0, 600.0),
        Function::DriftCheck => work(25.0, 1.0, 1.0, 2_450.0),
        Function::FineTune => work(60.0, 2.0, 2.0, 610.0),
        Function::Evaluate => work(30.0, 2.0, 2.0, 380.0),
        Function::Promote => work(15.0, 1.0, 0.5, 2_010.0),
    }
}
