//! What is measured, and how it is told: one JSON object a line.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// The CPU time that this process has used, in all its threads.
fn cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.try_into().unwrap_or(0), used.tv_nsec.try_into().unwrap_or(0))
}

/// A stretch of time, and the CPU time of this process in it.
pub(crate) struct Meter {
    began: Instant,
    cpu_before: Duration,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { began: Instant::now(), cpu_before: cpu() }
    }

    /// The time that has passed.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The CPU time that was used.
    pub(crate) fn cpu(&self) -> Duration {
        cpu().saturating_sub(self.cpu_before)
    }
}

/// A duration in microseconds.
pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// A duration in milliseconds.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A count as a number to divide.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// The percentiles of latencies, in microseconds.
pub(crate) fn percentiles(mut latencies: Vec<Duration>) -> Value {
    latencies.sort_unstable();
    let at = |percent: usize| {
        let index = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
        latencies.get(index).copied().map_or(0.0, micros)
    };
    json!({ "p50_us": at(50), "p95_us": at(95), "p99_us": at(99) })
}

/// Memory of this process that is resident now, in bytes, and at most since its start; `None` where Linux does not say.
pub(crate) fn memory() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let figure = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok().map(|kib: u64| kib << 10)
    };
    Some((figure("VmRSS")?, figure("VmHWM")?))
}

/// Prints a figure with everything that belongs to it.
#[allow(clippy::print_stdout, reason = "a measurement tells its figures")]
pub(crate) fn tell(figure: &str, parts: &[&Value]) {
    let mut line = json!({ "figure": figure });
    for part in parts {
        if let (Some(line), Some(part)) = (line.as_object_mut(), part.as_object()) {
            line.extend(part.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
    }
    println!("{line}");
}
