//! How long calls took, and what is said of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Flags;

/// The latencies of calls.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn note(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub(crate) fn add(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Everything that is printed.
    #[expect(clippy::cast_precision_loss, reason = "counts of a measurement are far below 2^52")]
    pub(crate) fn figures(
        mut self,
        flags: &Flags,
        elapsed: Duration,
        server_cpu: Option<Duration>,
        client_cpu: Duration,
    ) -> Value {
        self.0.sort_unstable();
        let calls = self.count() as f64;
        let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
        let at = |percent: usize| micros(self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]);
        json!({
            "figure": "load",
            "label": flags.label,
            "transport": if flags.stdio { "stdio" } else { "http" },
            "protocol": flags.protocol.version(),
            "tool": flags.tool,
            "in_flight": flags.in_flight,
            "calls": self.count(),
            "seconds": elapsed.as_secs_f64(),
            "calls_per_s": calls / elapsed.as_secs_f64(),
            "p50_us": at(50),
            "p95_us": at(95),
            "p99_us": at(99),
            "server_cpu_us_per_call": server_cpu.map(|cpu| micros(cpu) / calls),
            "client_cpu_us_per_call": micros(client_cpu) / calls,
        })
    }
}
