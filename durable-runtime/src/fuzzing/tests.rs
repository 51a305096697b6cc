//! The kept corpus, and what chance makes of it.
//!
//! `DURABLE_FUZZ_SECONDS` says how long each target is tried (1), `DURABLE_FUZZ_SEED` repeats the choices of a run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A target, with its name.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 7] = [
    ("record", super::record),
    ("event_id", super::event_id),
    ("request_state", super::request_state),
    ("arguments", super::arguments),
    ("stdio", super::stdio),
    ("http", super::http),
    ("store_file", super::store_file),
];

/// The generator `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).expect("below a `usize`")
    }

    /// A value that programs go wrong over, or any.
    fn byte(&mut self) -> u8 {
        const TELLING: [u8; 10] = [0, 1, 0x7f, 0x80, 0xfa, 0xfb, 0xfc, 0xfd, 0xff, b'"'];
        if self.below(2) == 0 { TELLING[self.below(TELLING.len())] } else { self.next().to_le_bytes()[0] }
    }

    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut data = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(data.len() + 1);
            match self.below(6) {
                0 => data.truncate(at),
                1 => data.insert(at, self.byte()),
                2 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    data.splice(at.., other[from..].iter().copied());
                }
                3 if at < data.len() => data[at] ^= 1 << self.below(8),
                4 if at < data.len() => drop(data.remove(at)),
                _ if at < data.len() => data[at] = self.byte(),
                _ => {}
            }
        }
        data
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz-corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("the corpus `{}` cannot be read: {error}", directory.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).expect("a file of the corpus")).collect()
}

/// Says which bytes it was, if they are too much for a target.
struct Told<'a>(&'a str, &'a [u8]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let directory = std::env::temp_dir().join(format!("durable-fuzz-{}", self.0));
            let kept = fs::write(&directory, self.1);
            eprintln!("`{}` does not take these bytes, kept in {} ({kept:?})", self.0, directory.display());
        }
    }
}

#[test]
fn bytes_that_nobody_vouches_for_are_refused_or_understood_and_never_a_panic() {
    let number = |name| std::env::var(name).ok().and_then(|value: String| value.parse::<u64>().ok());
    let seconds = number("DURABLE_FUZZ_SECONDS").unwrap_or(1);
    let seed =
        number("DURABLE_FUZZ_SEED").unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs());
    println!("DURABLE_FUZZ_SEED={seed}");
    let mut random = Random(seed);
    for (name, target) in TARGETS {
        let seeds = corpus(name);
        assert!(!seeds.is_empty(), "`{name}` has no corpus");
        let run = |data: &[u8]| {
            let _told = Told(name, data);
            target(data);
        };
        for seed in &seeds {
            run(seed);
        }
        let begin = Instant::now();
        let mut tried = 0_u64;
        while begin.elapsed() < Duration::from_secs(seconds) {
            run(&random.mutate(&seeds));
            tried += 1;
        }
        println!("{name}: {} kept, {tried} made of them", seeds.len());
    }
}

#[test]
fn libfuzzer_has_each_target_too() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    let mut theirs: Vec<String> = fs::read_dir(directory)
        .expect("the targets of `fuzz`")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    let mut ours = TARGETS.map(|(name, _)| format!("{name}.rs"));
    theirs.sort();
    ours.sort();
    assert_eq!(theirs, ours);
}
