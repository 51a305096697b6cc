//! What is simulated, as data: programs of tools, clients that call them, and faults. All of it is generated from a seed,
//! and can be made smaller piece by piece.

use std::collections::BTreeMap;

use crate::chance::Chance;
use crate::trouble::Person;

/// How an attempt of a step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Succeed,
    Fail,
    /// With the error that `retry_on` names.
    FailToReach,
    /// It does not end by itself.
    Hang,
    /// It panics, and succeeds when it is made again.
    Panic,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) at_most: bool,
    pub(crate) attempts: u32,
    /// What each attempt does; the last of these is repeated.
    pub(crate) script: Vec<Act>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) work_ms: u64,
    pub(crate) yields: u32,
    pub(crate) read: Option<u8>,
    pub(crate) write: Option<u8>,
    /// The body goes on after an error.
    pub(crate) is_optional: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Step(Step),
    Get(u8),
    Insert(u8),
    Remove(u8),
    /// Reads one key and writes another, or fails after that.
    Transact {
        from: u8,
        to: u8,
        fails: bool,
    },
    Sleep(u64),
    Ask {
        expires_ms: u64,
    },
    Now,
    Random,
    Uuid,
    Join(Vec<Vec<Op>>),
    TryJoin(Vec<Vec<Op>>),
    Race(Vec<Vec<Op>>),
    /// Its steps have the round as their key.
    Loop(u32, Vec<Op>),
    Help(Vec<Op>),
    Fail,
    /// The first runs that come to it panic.
    Panic {
        number: u32,
        runs: u32,
    },
}

/// A tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) ops: Vec<Op>,
    /// What undoes a cancelled call.
    pub(crate) undo: Option<Vec<Op>>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) is_audited: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) at_ms: u64,
    pub(crate) program: usize,
    /// Two clients may use one key, for the same program or for another one.
    pub(crate) key: Option<u8>,
    /// It does not wait for the answer any longer than this.
    pub(crate) patience_ms: Option<u64>,
    /// It cancels whatever runs, when it has waited so long.
    pub(crate) cancels_after_ms: Option<u64>,
}

/// What becomes of a commit of several batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies, and nothing of it is durable.
    CrashBefore,
    /// The process dies when it is durable.
    CrashAfter,
    /// The same, but the old process goes on for a while beside the new one, for nobody has told it.
    Zombie,
    /// It fails, and nothing of it is durable.
    Lost,
    /// It seems to fail, and is durable.
    Kept,
    /// It takes long.
    Slow,
    /// The process is stopped in an orderly way.
    Stop,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) programs: Vec<Program>,
    pub(crate) clients: Vec<Client>,
    pub(crate) people: Vec<Person>,
    /// By the number of the commit.
    pub(crate) faults: BTreeMap<u64, Fault>,
}

pub(crate) struct Author {
    pub(crate) chance: Chance,
    /// How many names of steps are taken.
    pub(crate) steps: usize,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut author = Author::new(Chance::of(seed));
        let programs: Vec<Program> = (0..=author.chance.below(2))
            .map(|_| {
                author.steps = 0;
                let length = 1 + author.chance.below(5);
                Program { ops: author.ops(length, 0), ..Program::default() }
            })
            .collect();
        let chance = &mut author.chance;
        let clients = (0..=chance.below(4))
            .map(|_| Client {
                at_ms: chance.below(400),
                program: chance.index(programs.len()),
                key: chance.percent(70).then(|| u8::try_from(chance.below(4)).expect("a small number")),
                patience_ms: chance.percent(25).then(|| chance.below(300)),
                cancels_after_ms: chance.percent(15).then(|| chance.below(500)),
            })
            .collect();
        let mut faults = BTreeMap::new();
        for _ in 0..chance.below(5) {
            let fault = match chance.below(10) {
                0..=2 => Fault::CrashBefore,
                3..=5 => Fault::CrashAfter,
                6 => Fault::Lost,
                7 => Fault::Kept,
                8 => Fault::Slow,
                _ => {
                    if chance.percent(50) {
                        Fault::Stop
                    } else {
                        Fault::Zombie
                    }
                }
            };
            faults.insert(2 + chance.below(30), fault);
        }
        let mut plan = Self { seed, programs, clients, people: Vec::new(), faults };
        if !Self::is_plain(seed) {
            plan.trouble();
        } else if Self::is_haunted(seed) {
            plan.haunt();
        }
        plan
    }

    /// Half of the plans without trouble.
    pub(crate) fn is_haunted(seed: u64) -> bool {
        seed % 8 == 4
    }

    /// Lets processes go on that were to die. One whose commit fails reads its calls anew, and is left out as with panics.
    fn haunt(&mut self) {
        if self.faults.values().any(|fault| matches!(fault, Fault::Lost | Fault::Kept)) {
            return;
        }
        for fault in self.faults.values_mut() {
            if *fault == Fault::CrashAfter {
                *fault = Fault::Zombie;
            }
        }
    }

    /// This plan with one piece less, in every way.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        for number in self.faults.keys() {
            let mut plan = self.clone();
            plan.faults.remove(number);
            smaller.push(plan);
        }
        for index in 0..self.clients.len() {
            let mut plan = self.clone();
            plan.clients.remove(index);
            smaller.push(plan);
        }
        for (index, client) in self.clients.iter().enumerate() {
            for simpler in [
                Client { patience_ms: None, ..client.clone() },
                Client { cancels_after_ms: None, ..client.clone() },
                Client { at_ms: 0, ..client.clone() },
            ] {
                let mut plan = self.clone();
                plan.clients[index] = simpler;
                smaller.push(plan);
            }
        }
        for (index, program) in self.programs.iter().enumerate() {
            smaller.extend(smaller_ops(&program.ops).into_iter().map(|ops| {
                let mut plan = self.clone();
                plan.programs[index].ops = ops;
                plan
            }));
        }
        smaller.extend(self.less_troubled());
        smaller.retain(|plan| plan != self);
        smaller
    }
}

fn smaller_ops(ops: &[Op]) -> Vec<Vec<Op>> {
    let mut smaller = Vec::new();
    for index in 0..ops.len() {
        let mut without = ops.to_vec();
        without.remove(index);
        smaller.push(without);
        for simpler in simpler_op(&ops[index]) {
            let mut with = ops.to_vec();
            with.splice(index..=index, simpler);
            smaller.push(with);
        }
    }
    smaller
}

/// What an operation may be replaced with.
fn simpler_op(op: &Op) -> Vec<Vec<Op>> {
    let nested = |branches: &[Vec<Op>], build: &dyn Fn(Vec<Vec<Op>>) -> Op| {
        let mut simpler: Vec<Vec<Op>> = branches.to_vec();
        for (index, branch) in branches.iter().enumerate() {
            simpler.extend(smaller_ops(branch).into_iter().map(|ops| {
                let mut branches = branches.to_vec();
                branches[index] = ops;
                vec![build(branches)]
            }));
        }
        simpler
    };
    match op {
        Op::Step(step) => {
            let plain = Step { script: vec![Act::Succeed], timeout_ms: None, ..step.clone() };
            let quick = Step { work_ms: 0, yields: 0, ..step.clone() };
            let pure = Step { read: None, write: None, ..step.clone() };
            [plain, quick, pure]
                .into_iter()
                .filter(|simpler| simpler != step)
                .map(|step| vec![Op::Step(step)])
                .collect()
        }
        Op::Join(branches) => nested(branches, &Op::Join),
        Op::TryJoin(branches) => nested(branches, &Op::TryJoin),
        Op::Race(branches) => nested(branches, &Op::Race),
        Op::Help(ops) => nested(std::slice::from_ref(ops), &|mut ops| Op::Help(ops.remove(0))),
        Op::Loop(times, ops) => nested(std::slice::from_ref(ops), &|mut ops| Op::Loop(*times, ops.remove(0))),
        _ => Vec::new(),
    }
}

/// Names of steps, each used once in a program.
const NAMES: [&str; 48] = [
    "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15", "s16", "s17",
    "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", "s28", "s29", "s30", "s31", "s32", "s33",
    "s34", "s35", "s36", "s37", "s38", "s39", "s40", "s41", "s42", "s43", "s44", "s45", "s46", "s47",
];

impl Author {
    pub(crate) fn new(chance: Chance) -> Self {
        Self { chance, steps: 0 }
    }

    pub(crate) fn ops(&mut self, length: u64, depth: u32) -> Vec<Op> {
        (0..length).map(|_| self.op(depth)).collect()
    }

    fn key(&mut self) -> u8 {
        u8::try_from(self.chance.below(3)).expect("a small number")
    }

    fn branches(&mut self, depth: u32) -> Vec<Vec<Op>> {
        let count = 2 + self.chance.below(2);
        (0..count)
            .map(|_| {
                let length = 1 + self.chance.below(2);
                self.ops(length, depth + 1)
            })
            .collect()
    }

    fn op(&mut self, depth: u32) -> Op {
        let kinds = if depth < 2 { 26 } else { 20 };
        match self.chance.below(kinds) {
            0..=8 if self.steps < NAMES.len() => Op::Step(self.step()),
            9 => Op::Get(self.key()),
            10 | 11 => Op::Insert(self.key()),
            12 => Op::Remove(self.key()),
            13 | 14 => Op::Transact { from: self.key(), to: self.key(), fails: self.chance.percent(20) },
            15 => Op::Sleep(if self.chance.percent(50) { self.chance.below(50) } else { self.chance.below(60_000) }),
            16 => Op::Ask { expires_ms: 1 + self.chance.below(30_000) },
            17 => Op::Now,
            18 => Op::Random,
            19 if self.chance.percent(15) => Op::Fail,
            20 | 21 => Op::Join(self.branches(depth)),
            22 => Op::TryJoin(self.branches(depth)),
            23 => Op::Race(self.branches(depth)),
            24 => {
                let length = 1 + self.chance.below(2);
                Op::Loop(u32::try_from(1 + self.chance.below(3)).expect("small"), self.ops(length, depth + 1))
            }
            25 => {
                let length = 1 + self.chance.below(2);
                Op::Help(self.ops(length, depth + 1))
            }
            _ => Op::Uuid,
        }
    }

    pub(crate) fn step(&mut self) -> Step {
        let name = NAMES[self.steps];
        self.steps += 1;
        let chance = &mut self.chance;
        let at_most = chance.percent(45);
        let script = (0..=chance.below(3))
            .map(|_| match chance.below(10) {
                0..=5 => Act::Succeed,
                6 => Act::Fail,
                7 | 8 => Act::FailToReach,
                _ => Act::Hang,
            })
            .collect::<Vec<_>>();
        let hangs = script.contains(&Act::Hang);
        Step {
            name,
            at_most,
            attempts: u32::try_from(1 + chance.below(4)).expect("small"),
            script,
            timeout_ms: (hangs || chance.percent(15)).then(|| 20 + chance.below(100)),
            work_ms: if chance.percent(50) { 0 } else { chance.below(40) },
            yields: u32::try_from(chance.below(4)).expect("small"),
            read: chance.percent(30).then(|| u8::try_from(chance.below(3)).expect("small")),
            write: chance.percent(50).then(|| u8::try_from(chance.below(3)).expect("small")),
            is_optional: chance.percent(60),
        }
    }
}
