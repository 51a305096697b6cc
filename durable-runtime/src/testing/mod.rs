//! Tests of tools, with crashes: for the feature `testing`.
//!
//! A test runs its server in its own process, over a store in memory and under a clock of its own, so it needs no files and
//! no patience. [`durable_test`] with `crash = every_point` runs it once undisturbed, and then once for each commit that the
//! server made and each moment of it, with a crash there: before the commit is durable, and after that but before anybody
//! knows. Each time the server is opened again over what was durable, and the test goes on. The end must be the same: the
//! results of all calls, and all tables.
//!
//! ```
//! use durable_runtime::prelude::*;
//! use durable_runtime::testing::{TestRun, Witness, durable_test};
//!
//! /// Charges a card.
//! #[durable_tool]
//! async fn buy(cx: &DurableContext, bank: State<Witness>, item: String) -> Result<String, ToolError> {
//!     #[once(at_most)]
//!     let receipt = charge(cx, &bank, &item).await?;
//!     Ok(receipt)
//! }
//!
//! async fn charge(_cx: &StepContext, bank: &Witness, item: &str) -> Result<String, ToolError> {
//!     bank.saw("a charge");
//!     Ok(format!("receipt for {item}"))
//! }
//!
//! #[durable_test(crash = every_point, in_doubt(charge))]
//! async fn a_card_is_charged_at_most_once(run: TestRun) {
//!     let bank = Witness::default();
//!     let outside = bank.clone();
//!     let server = run.server(move || Server::builder("shop", "1.0.0").state(outside.clone()).tool(buy)).await;
//!     let bought = server.call("buy", serde_json::json!({ "item": "tea" })).await.unwrap();
//!     assert!(bank.times("a charge") <= 1);
//!     if bought.result.is_ok() {
//!         assert_eq!(bank.times("a charge"), 1);
//!     }
//! }
//! # fn main() { a_card_is_charged_at_most_once() }
//! ```

mod chance;
mod clock;
mod disk;
mod end;
mod journal;
mod point;
mod renamed;
mod run;
mod server;
mod test;
mod witness;

pub(crate) use chance::{SeededChance, SeededIds};
pub use clock::TestClock;
pub use durable_macros::durable_test;
pub use journal::journal_entries;
pub use point::{CrashPoint, Moment};
pub use run::TestRun;
pub use server::{TestCall, TestServer};
pub use test::{DurableTest, TestEnd};
pub use witness::Witness;
