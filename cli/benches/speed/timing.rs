//! Output of durations, and memory of processes.

use std::time::Duration;

/// Prints the median, 99th percentile, minimum and maximum of `durations` in milliseconds.
pub(crate) fn print(label: &str, durations: &mut [Duration]) {
    durations.sort();
    let at =
        |share: f64| durations[((durations.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{label}: median {:.2} ms, 99th percentile {:.2} ms, min {:.2} ms, max {:.2} ms ({} runs)",
        at(0.5),
        at(0.99),
        at(0.0),
        at(1.0),
        durations.len()
    );
}

/// Returns the peak resident memory of this process in MiB, or 0 if the system does not report it.
pub(crate) fn peak_memory_mib() -> u64 {
    status_kib("self", "VmHWM:") / 1024
}

/// Returns the resident memory of a process in KiB, or 0 if the system does not report it.
pub(crate) fn memory_kib(process: u32) -> u64 {
    status_kib(&process.to_string(), "VmRSS:")
}

/// Returns the peak resident memory of a process in KiB, or 0 if the system does not report it.
pub(crate) fn peak_kib(process: u32) -> u64 {
    status_kib(&process.to_string(), "VmHWM:")
}

/// Sets the peak resident memory of a process to its resident memory.
pub(crate) fn reset_peak(process: u32) {
    // 5 resets the peak, see proc_pid_clear_refs(5).
    std::fs::write(format!("/proc/{process}/clear_refs"), "5")
        .expect("the kernel can reset the peak memory of a process");
}

fn status_kib(process: &str, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or_default()
}
