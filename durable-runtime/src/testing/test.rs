//! A test, run undisturbed and then once for each crash point.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt::{Debug, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::end::End;
use super::point::{CrashPoint, Moment};
use super::run::TestRun;

/// The environment variable that names the one crash point to run.
const ONE_POINT: &str = "DURABLE_CRASH_POINT";

/// What a test's function gives: `()`, or a `Result` of it whose error fails the test.
#[diagnostic::on_unimplemented(
    message = "a test gives nothing, or a `Result` of it, and this one gives `{Self}`",
    label = "not what a test gives",
    note = "return `()` or `Result<(), E>`, and assert what it is to be"
)]
pub trait TestEnd {
    /// The error's text, if it is one.
    fn failure(self) -> Option<String>;
}

impl TestEnd for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: Debug> TestEnd for Result<(), E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| format!("{error:?}"))
    }
}

/// A test of tools: what `#[durable_test]` makes, as a value.
///
/// ```
/// use durable_runtime::prelude::*;
/// use durable_runtime::testing::{DurableTest, TestRun};
///
/// const VISITS: SortedMap<u64> = SortedMap::new("visits");
///
/// /// Counts a visit.
/// #[durable_tool]
/// async fn visit(cx: &DurableContext, page: String) -> Result<u64, ToolError> {
///     cx.transaction(move |tx| {
///         let visits = tx.get(&VISITS, &page)?.unwrap_or(0) + 1;
///         tx.insert(&VISITS, [(page.as_str(), visits)])?;
///         Ok::<_, ToolError>(visits)
///     })
///     .await
/// }
///
/// DurableTest::new().crash_at_every_point().run(async |run: TestRun| {
///     let server = run.server(|| Server::builder("pages", "1.0.0").tool(visit)).await;
///     let visits = server.call("visit", serde_json::json!({ "page": "/" })).await.unwrap();
///     assert_eq!(visits.result.unwrap(), 1);
/// });
/// ```
#[derive(Clone, Debug, Default)]
pub struct DurableTest {
    every_point: bool,
    in_doubt: BTreeSet<&'static str>,
}

/// A run that is over.
struct Ran {
    end: End,
    /// What each commit was for.
    commits: Vec<String>,
    has_crashed: bool,
}

impl DurableTest {
    /// A test that is run once, undisturbed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs the test again for each crash point, and compares the end with the undisturbed one: the results of all
    /// calls, and all rows of tables.
    #[must_use]
    pub fn crash_at_every_point(mut self) -> Self {
        self.every_point = true;
        self
    }

    /// Lets a run end otherwise where a crash leaves an at-most-once step of this name in doubt. Whatever the test's function
    /// asserts must hold there too; and there must be such a run.
    #[must_use]
    pub fn in_doubt(mut self, step: &'static str) -> Self {
        self.in_doubt.insert(step);
        self
    }

    /// Runs the test.
    ///
    /// # Panics
    ///
    /// When a run fails, or ends otherwise than the undisturbed one. Which run it is, is told.
    pub fn run<E: TestEnd>(self, test: impl AsyncFn(TestRun) -> E) {
        let undisturbed = once(&test, None).unwrap_or_else(|failure| failure.resume("without a crash"));
        if !self.every_point {
            return;
        }
        let commits = &undisturbed.commits;
        assert!(
            !commits.is_empty(),
            "the test makes no commit after its server is open, so there is nothing that a crash could disturb; call a tool \
             that is not read-only, or remove `crash = every_point`"
        );
        let points = match std::env::var(ONE_POINT) {
            Ok(point) => vec![point.parse().unwrap_or_else(|why| panic!("{ONE_POINT}: {why}"))],
            Err(_) => (1..=commits.len())
                .flat_map(|commit| [Moment::Before, Moment::After].map(|moment| CrashPoint { commit, moment }))
                .collect(),
        };
        let mut doubted: BTreeSet<&str> = BTreeSet::new();
        for point in &points {
            let place = place(*point, commits);
            let ran = once(&test, Some(*point)).unwrap_or_else(|failure| failure.resume(&place));
            assert!(
                ran.has_crashed,
                "{place}, the crash did not come: this run made {} commits only. A test does the same in each run, so that \
                 runs can be compared; take care of chance, threads and the machine's time in it",
                ran.commits.len()
            );
            let in_doubt: BTreeSet<&str> =
                ran.end.in_doubt.difference(&undisturbed.end.in_doubt).map(String::as_str).collect();
            doubted.extend(self.in_doubt.iter().filter(|step| in_doubt.contains(**step)));
            let differences = undisturbed.end.differences(&ran.end);
            if differences.is_empty() || !in_doubt.is_empty() && in_doubt.is_subset(&self.in_doubt) {
                continue;
            }
            panic!(
                "{place}, the test ends otherwise than without a crash:\n{differences}{}",
                self.advice(&in_doubt, *point)
            );
        }
        let never: Vec<&str> = self.in_doubt.difference(&doubted).copied().collect();
        assert!(
            never.is_empty() || points.len() == 1,
            "no crash leaves a step named {never:?} in doubt: remove it from `in_doubt(..)`, or write the name of the step"
        );
    }

    fn advice(&self, in_doubt: &BTreeSet<&str>, point: CrashPoint) -> String {
        let mut advice = String::new();
        let unnamed: Vec<&str> = in_doubt.iter().copied().filter(|step| !self.in_doubt.contains(*step)).collect();
        if !unnamed.is_empty() {
            let _ = writeln!(
                advice,
                "The crash leaves `{}` in doubt, as it may an at-most-once step. If the end is then to be another one, say \
                 `in_doubt({})`, and assert in the test what holds all the same.",
                unnamed.join("`, `"),
                unnamed.join(", "),
            );
        }
        let _ = write!(advice, "To run this crash point alone: {ONE_POINT}='{point}'");
        advice
    }
}

/// Where a crash is, as people read it.
fn place(point: CrashPoint, commits: &[String]) -> String {
    let moment = match point.moment {
        Moment::Before => "before it is durable",
        Moment::After => "when it is durable and nobody knows",
    };
    let purpose = commits.get(point.commit - 1).map_or("", String::as_str);
    format!("with a crash in commit {} of {} ({purpose}), {moment}", point.commit, commits.len())
}

/// Why a run failed.
struct Failure(Box<dyn Any + Send>);

impl Failure {
    /// Fails the test with what failed the run, after saying which run it is.
    fn resume(self, place: &str) -> ! {
        // The test harness shows it with the panic's own message, which went there before.
        eprintln!("the test failed {place}");
        std::panic::resume_unwind(self.0)
    }
}

fn once<E: TestEnd>(test: &impl AsyncFn(TestRun) -> E, crash: Option<CrashPoint>) -> Result<Ran, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("the system gives a runtime");
    catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let run = TestRun::begin(crash);
            if let Some(failure) = test(run.clone()).await.failure() {
                panic!("the test's function gave an error: {failure}");
            }
            Ran { end: run.end(), commits: run.boundaries().passed(), has_crashed: run.boundaries().has_crashed() }
        })
    }))
    .map_err(Failure)
}
