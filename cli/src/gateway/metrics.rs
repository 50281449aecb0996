//! Counts for Prometheus. Labels hold words of closed lists only.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::answer::Answer;

/// What [`Metrics::text`] is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) struct Metrics {
    registry: Registry,
    items: Family<[(&'static str, &'static str); 1], Counter>,
    seconds: Histogram,
    /// Time from a whole item to the archive's word.
    pub(super) archive_seconds: Histogram,
    bytes: Histogram,
    /// Items that are being received or stored.
    pub(super) in_progress: Gauge,
    pub(super) connections: Gauge,
    pub(super) rejected_handshakes: Counter<u64, AtomicU64>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.005, 2.0, 15));
        let metrics = Self {
            registry: Registry::with_prefix("moulage_gateway"),
            items: Family::default(),
            seconds: seconds(),
            archive_seconds: seconds(),
            bytes: Histogram::new(exponential_buckets(65536.0, 2.0, 11)),
            in_progress: Gauge::default(),
            connections: Gauge::default(),
            rejected_handshakes: Counter::default(),
        };
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("items", "Items answered, by code", self.items.clone());
        registry.register("item_seconds", "From the request's head to the answer", self.seconds.clone());
        let help = "From the whole item to the archive's confirmation or refusal";
        registry.register("archive_seconds", help, self.archive_seconds.clone());
        registry.register("item_bytes", "Size of the sealed items received", self.bytes.clone());
        registry.register("in_progress", "Items being received or stored", self.in_progress.clone());
        registry.register("connections", "Open connections", self.connections.clone());
        let help = "Connections that ended before TLS was agreed";
        registry.register("rejected_handshakes", help, self.rejected_handshakes.clone());
        self
    }

    pub(super) fn answered(&self, answer: Answer, bytes: Option<u64>, duration: Duration) {
        self.items.get_or_create(&[("code", answer.code())]).inc();
        self.seconds.observe(duration.as_secs_f64());
        if let Some(bytes) = bytes {
            self.bytes.observe(bytes as f64);
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail; half a page would be no page.
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}
