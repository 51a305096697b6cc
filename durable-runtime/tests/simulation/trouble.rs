//! What comes to three of four plans besides: bodies and attempts that panic, tools with a deadline, tools that undo a cancelled
//! call, audited ones, and people who interfere. One of four is left plain.

use crate::chance::Chance;
use crate::program::{Act, Author, Fault, Op, Plan, Program, Step};

/// What a person does with a call that is parked, or to make a fork, one that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Retry,
    /// A step gets its outcome by hand.
    Resolve,
    Fork,
    ForkWith,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) at_ms: u64,
    pub(crate) deed: Deed,
}

impl Plan {
    pub(crate) fn is_plain(seed: u64) -> bool {
        seed.is_multiple_of(4)
    }

    /// Adds trouble of this seed.
    pub(crate) fn trouble(&mut self) {
        let mut author = Author::new(Chance::of(self.seed ^ 0x0074_726f_7562_6c65));
        let mut panics = 0;
        for program in &mut self.programs {
            if author.chance.percent(60) {
                panic_in(&mut program.ops, &mut author.chance, &mut panics);
            }
            steps(&mut program.ops, &mut |step| {
                if author.chance.percent(15) {
                    let at = author.chance.index(step.script.len());
                    step.script[at] = Act::Panic;
                    // It is come to.
                    step.script[..at].fill(Act::FailToReach);
                    step.attempts = step.attempts.max(u32::try_from(at + 1).expect("small"));
                }
            });
            program.timeout_ms = author.chance.percent(25).then(|| 20 + author.chance.below(3000));
            program.is_audited = author.chance.percent(50);
            if author.chance.percent(40) {
                let mut taken = 0;
                steps(&mut program.ops, &mut |_| taken += 1);
                author.steps = taken;
                program.undo = Some(author.undo());
            }
        }
        // A process that reads a call anew, after a panic, beside the next process is told apart from it by nothing but the lock of
        // the store's file.
        for fault in self.faults.values_mut() {
            if *fault == Fault::Zombie {
                *fault = Fault::CrashAfter;
            }
        }
        let chance = &mut author.chance;
        for client in &mut self.clients {
            if self.programs[client.program].undo.is_some() && chance.percent(50) {
                client.cancels_after_ms = Some(chance.below(300));
            }
        }
        for _ in 0..chance.below(4) {
            let deed = match chance.below(5) {
                0 => Deed::Retry,
                1 | 2 => Deed::Resolve,
                3 => Deed::Fork,
                _ => Deed::ForkWith,
            };
            self.people.push(Person { at_ms: chance.below(3000), deed });
        }
    }

    /// This plan with one piece of trouble less, in every way.
    pub(super) fn less_troubled(&self) -> Vec<Self> {
        let mut less = Vec::new();
        for index in 0..self.people.len() {
            let mut plan = self.clone();
            plan.people.remove(index);
            less.push(plan);
        }
        for (index, program) in self.programs.iter().enumerate() {
            for simpler in [
                Program { timeout_ms: None, ..program.clone() },
                Program { is_audited: false, ..program.clone() },
                Program { undo: None, ..program.clone() },
            ] {
                let mut plan = self.clone();
                plan.programs[index] = simpler;
                less.push(plan);
            }
        }
        less
    }
}

impl Author {
    /// Begins with steps that have their outcome whatever comes, for the check that they do.
    fn undo(&mut self) -> Vec<Op> {
        let mut ops: Vec<Op> =
            (0..=self.chance.below(2)).map(|_| Op::Step(Step { is_optional: true, ..self.step() })).collect();
        let length = self.chance.below(2);
        ops.extend(self.ops(length, 1));
        ops
    }
}

/// Puts a panic somewhere, and at times another one.
fn panic_in(ops: &mut Vec<Op>, chance: &mut Chance, panics: &mut u32) {
    let at = chance.index(ops.len() + 1);
    if let Some(Op::Join(branches) | Op::TryJoin(branches) | Op::Race(branches)) = ops.get_mut(at)
        && !branches.is_empty()
    {
        let branch = chance.index(branches.len());
        return panic_in(&mut branches[branch], chance, panics);
    }
    *panics += 1;
    ops.insert(at, Op::Panic { number: *panics, runs: u32::try_from(1 + chance.below(5)).expect("small") });
    if chance.percent(30) {
        panic_in(ops, chance, panics);
    }
}

/// Visits all steps.
fn steps(ops: &mut [Op], visit: &mut dyn FnMut(&mut Step)) {
    for op in ops {
        match op {
            Op::Step(step) => visit(step),
            Op::Join(branches) | Op::TryJoin(branches) | Op::Race(branches) => {
                for branch in branches {
                    steps(branch, visit);
                }
            }
            Op::Loop(_, ops) | Op::Help(ops) => steps(ops, visit),
            _ => {}
        }
    }
}
