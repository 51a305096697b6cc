//! One tool that runs any program, by the calls that the macros write.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use durable_runtime::__private::{
    ArgumentError, Body, Compensation, Join, Next, Race, Sent, States, Tool, ToolDefinition, TryJoin, at_least,
    at_most, attempt, branch, decode_arguments, enter, sent, start,
};
use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::program::{Act, Op, Program, Step};
use crate::world::{Facts, World};

const ROWS: SortedMap<String> = SortedMap::new("rows");

/// A tool for programs, which calls name by their number.
pub(crate) struct Interpreter {
    world: Arc<World>,
    name: &'static str,
    /// The program of which the tool takes what else is said of it.
    program: Program,
}

/// The tool of a program: all that have nothing but their operations share one.
pub(crate) fn name(number: usize, program: &Program) -> &'static str {
    let is_plain = program.undo.is_none() && program.timeout_ms.is_none() && !program.is_audited;
    if is_plain { "run" } else { ["run_0", "run_1"][number] }
}

impl Interpreter {
    pub(crate) fn all(world: &Arc<World>) -> Vec<Box<dyn Tool>> {
        let plain = Self { world: Arc::clone(world), name: "run", program: Program::default() };
        let special = world.programs.iter().enumerate().map(|(number, program)| Self {
            world: Arc::clone(world),
            name: name(number, program),
            program: program.clone(),
        });
        let special = special.filter(|tool| tool.name != "run");
        std::iter::once(plain).chain(special).map(|tool| Box::new(tool) as Box<dyn Tool>).collect()
    }
}

#[derive(Deserialize, JsonSchema)]
struct Arguments {
    program: usize,
}

#[derive(Deserialize, JsonSchema)]
struct Confirmation {
    /// Whatever
    confirm: bool,
}

/// The value of a step.
#[derive(Serialize, Deserialize)]
struct Given {
    token: String,
    read: Option<String>,
}

type Concluded = Result<Vec<String>, ToolError>;
type StepEnd = Result<Given, ToolError>;

const SENT: Sent<Concluded> = sent::<Concluded>();

impl Tool for Interpreter {
    fn definition(&self) -> ToolDefinition {
        let mut definition = ToolDefinition::new::<Arguments, Concluded>(&SENT, self.name, "Runs a program.");
        if let Some(millis) = self.program.timeout_ms {
            definition = definition.timeout_ms(millis);
        }
        if self.program.undo.is_some() {
            definition = definition.compensates();
        }
        if self.program.is_audited { definition.audit("calls", &[]) } else { definition }
    }

    fn prepare(&self, arguments: Value, _: &States) -> Result<Body, ArgumentError> {
        let Arguments { program } = decode_arguments(arguments)?;
        let world = Arc::clone(&self.world);
        Ok(Body::durable(&SENT, move |cx: DurableContext| async move {
            let env = Env { world: &world, key: String::new() };
            let mut seen = Seen::default();
            run(&env, &cx, &world.programs[program].ops, &mut seen).await?;
            Ok(seen.values)
        }))
    }

    fn compensate(&self, _: Value, _: &States) -> Option<Result<Compensation, ArgumentError>> {
        let undo = self.program.undo.clone()?;
        let world = Arc::clone(&self.world);
        Some(Ok(Compensation::new(move |cx: DurableContext| async move {
            let env = Env { world: &world, key: String::new() };
            run(&env, &cx, &undo, &mut Seen::default()).await
        })))
    }
}

struct Env<'a> {
    world: &'a World,
    /// The rounds of the loops around.
    key: String,
}

/// What a branch of the body has seen.
#[derive(Clone, Default)]
struct Seen {
    values: Vec<String>,
    /// What of it the journal has word for word.
    facts: Facts,
}

impl Seen {
    fn add(&mut self, value: impl Into<String>) {
        self.values.push(value.into());
    }

    fn join(&mut self, branch: Self) {
        self.values.extend(branch.values);
        self.facts.extend(branch.facts);
    }
}

type Ran<'a> = Pin<Box<dyn Future<Output = Result<(), ToolError>> + Send + 'a>>;

fn run<'a>(env: &'a Env<'_>, cx: &'a DurableContext, ops: &'a [Op], seen: &'a mut Seen) -> Ran<'a> {
    Box::pin(async move {
        for op in ops {
            one(env, cx, op, seen).await?;
        }
        Ok(())
    })
}

fn key_text(key: u8) -> String {
    format!("k{key}")
}

async fn one(env: &Env<'_>, cx: &DurableContext, op: &Op, seen: &mut Seen) -> Result<(), ToolError> {
    match op {
        Op::Step(step) => match make(env, cx, step, &seen.facts).await {
            Ok(given) => {
                seen.add(format!("{} {:?}", given.token, given.read));
                seen.facts.push(given.token);
            }
            Err(error) => {
                seen.add(format!("error {error}"));
                if !step.is_optional {
                    return Err(error);
                }
            }
        },
        Op::Get(key) => {
            let got = ROWS.get(cx, key_text(*key)).await?;
            seen.add(format!("{got:?}"));
            seen.facts.extend(got);
        }
        Op::Insert(key) => ROWS.insert(cx, [(key_text(*key), env.world.token())]).await?,
        Op::Remove(key) => ROWS.remove(cx, [key_text(*key)]).await?,
        Op::Transact { from, to, fails } => {
            let (from, to, fails, token) = (key_text(*from), key_text(*to), *fails, env.world.token());
            if !fails {
                env.world.will_write(&token, to.clone());
            }
            let done = cx
                .transaction(move |tx| {
                    tx.get(&ROWS, &from)?;
                    tx.insert(&ROWS, [(to.as_str(), token.clone())])?;
                    if fails { Err(ToolError::new(token.clone())) } else { Ok(token.clone()) }
                })
                .await;
            let token = match done {
                Ok(token) => token,
                Err(error) => error.to_string(),
            };
            seen.add(token.clone());
            seen.facts.push(token);
        }
        Op::Sleep(millis) => cx.sleep(Duration::from_millis(*millis)).await,
        Op::Ask { expires_ms } => {
            let answer = cx.elicit::<Confirmation>("?").expires_in(Duration::from_millis(*expires_ms)).await;
            seen.add(match answer.accepted() {
                Ok(confirmation) => confirmation.confirm.to_string(),
                Err(why) => why.to_string(),
            });
        }
        Op::Now => seen.add(cx.now().as_millis().to_string()),
        Op::Random => seen.add(cx.random().to_string()),
        Op::Uuid => seen.add(cx.uuid7().to_string()),
        Op::Loop(times, ops) => {
            for round in 0..*times {
                let env = Env { world: env.world, key: format!("{}.{round}", env.key) };
                run(&env, cx, ops, seen).await?;
            }
        }
        Op::Help(ops) => {
            let cx = enter(cx, "help", None);
            run(env, &cx, ops, seen).await?;
        }
        Op::Join(branches) => join(env, cx, branches, seen).await?,
        Op::TryJoin(branches) => try_join(env, cx, branches, seen).await?,
        Op::Race(branches) => race(env, cx, branches, seen).await?,
        Op::Panic { number, runs } => {
            if env.world.panics(format!("body {number}"), *runs) {
                // The hook, which prints, is not asked.
                resume_unwind(Box::new("the body panics"));
            }
        }
        Op::Fail => return Err(ToolError::new("the program ends here")),
    }
    Ok(())
}

async fn branch_of(env: &Env<'_>, cx: &DurableContext, ops: &[Op], seen: &Seen) -> (Seen, Result<(), ToolError>) {
    let mut own = Seen { values: Vec::new(), facts: seen.facts.clone() };
    let ended = run(env, cx, ops, &mut own).await;
    (own, ended)
}

const LABELS: [&str; 3] = ["a", "b", "c"];

/// A join of two branches, or three.
async fn join(env: &Env<'_>, cx: &DurableContext, branches: &[Vec<Op>], seen: &mut Seen) -> Result<(), ToolError> {
    let own = LABELS.map(|label| branch(cx, label));
    let begin = |index: usize| start(&own[index], branch_of(env, &own[index], &branches[index], seen));
    let ended = match branches.len() {
        0 => Vec::new(),
        1 => vec![(begin(0),).join().await.0],
        2 => <[_; 2]>::from((begin(0), begin(1)).join().await).into(),
        _ => <[_; 3]>::from((begin(0), begin(1), begin(2)).join().await).into(),
    };
    let mut first_error = Ok(());
    for (branch, end) in ended {
        seen.join(branch);
        first_error = first_error.and(end);
    }
    first_error
}

async fn try_join(env: &Env<'_>, cx: &DurableContext, branches: &[Vec<Op>], seen: &mut Seen) -> Result<(), ToolError> {
    let own = LABELS.map(|label| branch(cx, label));
    let begin = |index: usize| {
        let branch = branch_of(env, &own[index], &branches[index], seen);
        start(&own[index], async {
            let (seen, end) = branch.await;
            end.map(|()| seen)
        })
    };
    let ended: Vec<Seen> = match branches.len() {
        0 => Vec::new(),
        1 => vec![(begin(0),).try_join(cx, "a").await?.0],
        2 => <[_; 2]>::from((begin(0), begin(1)).try_join(cx, "a|b").await?).into(),
        _ => <[_; 3]>::from((begin(0), begin(1), begin(2)).try_join(cx, "a|b|c").await?).into(),
    };
    for branch in ended {
        seen.join(branch);
    }
    Ok(())
}

async fn race(env: &Env<'_>, cx: &DurableContext, branches: &[Vec<Op>], seen: &mut Seen) -> Result<(), ToolError> {
    let own = LABELS.map(|label| branch(cx, label));
    let begin = |index: usize| start(&own[index], branch_of(env, &own[index], &branches[index], seen));
    let (branch, end) = match branches.len() {
        0 => return Ok(()),
        1 => [begin(0)].race(cx, "a").await,
        2 => [begin(0), begin(1)].race(cx, "a|b").await,
        _ => [begin(0), begin(1), begin(2)].race(cx, "a|b|c").await,
    };
    seen.join(branch);
    end
}

/// A step, as the macros write it.
async fn make(env: &Env<'_>, cx: &DurableContext, plan: &Step, facts: &Facts) -> StepEnd {
    if plan.at_most {
        let mut step = at_most::<StepEnd>(cx, plan.name).key(&env.key).attempts(plan.attempts).initial_ms(10);
        if let Some(millis) = plan.timeout_ms {
            step = step.timeout_ms(millis);
        }
        loop {
            match step.next().await {
                Next::Attempt(cx) => {
                    let result = attempt(&cx, || act(env, &cx, plan, facts)).await;
                    step.end(&cx, result, |error: &ToolError| error.to_string().starts_with("not reached"));
                }
                Next::Outcome(outcome) => break outcome,
            }
        }
    } else {
        let mut step = at_least::<StepEnd>(cx, plan.name).key(&env.key).attempts(plan.attempts).initial_ms(10);
        if let Some(millis) = plan.timeout_ms {
            step = step.timeout_ms(millis);
        }
        loop {
            match step.next().await {
                Next::Attempt(cx) => {
                    let result = attempt(&cx, || act(env, &cx, plan, facts)).await;
                    step.end(&cx, result);
                }
                Next::Outcome(outcome) => break outcome,
            }
        }
    }
}

/// One attempt.
async fn act(env: &Env<'_>, cx: &StepContext, plan: &Step, facts: &Facts) -> StepEnd {
    env.world.start(cx, plan, facts);
    for _ in 0..plan.yields {
        tokio::task::yield_now().await;
    }
    if plan.work_ms > 0 {
        tokio::time::sleep(Duration::from_millis(plan.work_ms)).await;
    }
    let token = env.world.token();
    let read = match plan.read {
        Some(key) => ROWS.get(cx, key_text(key)).await?,
        None => None,
    };
    if let Some(key) = plan.write {
        env.world.will_write(&token, key_text(key));
        ROWS.insert(cx, [(key_text(key), token.clone())]).await?;
        // It sees its own writes.
        let own = ROWS.get(cx, key_text(key)).await?;
        if own.as_ref() != Some(&token) {
            env.world.broken("a step reads its own writes", format!("`{}` wrote {token} and read {own:?}", plan.name));
        }
    }
    let number = usize::try_from(cx.attempt()).expect("few attempts") - 1;
    let act = plan.script.get(number).or(plan.script.last()).copied().unwrap_or(Act::Succeed);
    if act == Act::Hang {
        std::future::pending::<()>().await;
    }
    // After a failure so often that the call is parked, and the step is open.
    let times = if cx.attempt() > 1 { 4 } else { 1 };
    if act == Act::Panic && env.world.panics(format!("attempt {}", cx.idempotency_key()), times) {
        resume_unwind(Box::new("the attempt panics"));
    }
    let act = if act == Act::Panic { Act::Succeed } else { act };
    env.world.end(cx, plan, &env.key, act, &token);
    match act {
        Act::Succeed | Act::Panic => Ok(Given { token, read }),
        Act::FailToReach => Err(ToolError::new(format!("not reached {token}"))),
        Act::Fail | Act::Hang => Err(ToolError::new(format!("failed {token}"))),
    }
}
