//! A table against its model: random operations give what an ordered map in memory gives, on every backend.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use durable_runtime::prelude::*;
use durable_runtime::{Page, Prefix, Store};

/// Tables whose names begin with each other, and with what row keys begin with.
const TABLES: [SortedMap<u64>; 4] =
    [SortedMap::new("a"), SortedMap::new("aa"), SortedMap::new("a\u{10ffff}"), SortedMap::new("b")];

/// Keys at the ends of the key space, and around each other.
const KEYS: [&str; 22] = [
    "",
    "\0",
    "\0\0",
    "\0a",
    "a",
    "a\0",
    "a\0\0",
    "aa",
    "aaa",
    "ab",
    "a\u{7f}",
    "a\u{80}",
    "a\u{d7ff}",
    "a\u{e000}",
    "a\u{10ffff}",
    "a\u{10ffff}\u{10ffff}",
    "b",
    "é",
    "\u{ffff}",
    "\u{10fffe}",
    "\u{10ffff}",
    "\u{10ffff}a",
];

type Model = BTreeMap<String, u64>;

/// `SplitMix64` (Steele, Lea and Flood, 2014): the same seed gives the same run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    fn key(&mut self) -> String {
        let key = KEYS[self.below(KEYS.len())];
        // Most are of the fixed ones, so that they meet each other.
        if self.below(8) == 0 { format!("{key}{}", KEYS[self.below(KEYS.len())]) } else { key.to_owned() }
    }

    fn keys(&mut self) -> Vec<String> {
        (0..self.below(6)).map(|_| self.key()).collect()
    }

    fn limit(&mut self) -> usize {
        [1, 2, 3, 7, 100_000][self.below(5)]
    }
}

fn first(entries: impl Iterator<Item = (String, u64)>, limit: usize) -> Vec<(String, u64)> {
    entries.take(limit).collect()
}

fn within(model: &Model, is_in: impl Fn(&str) -> bool) -> Vec<(String, u64)> {
    model.iter().filter(|(key, _)| is_in(key)).map(|(key, value)| (key.clone(), *value)).collect()
}

fn check<T: PartialEq + Debug>(what: &str, found: T, expected: T) {
    assert_eq!(found, expected, "{what}");
}

/// All pages of a range, each read behind the one before.
async fn all_pages(
    limit: usize,
    read: impl AsyncFn(Option<&str>) -> Result<Page<u64>, Error>,
) -> Result<Vec<(String, u64)>, Error> {
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let page = read(after.as_deref()).await?;
        assert!(page.entries.len() <= limit);
        assert!(page.next.is_none() || page.entries.len() == limit, "a page that is not the last one is full");
        entries.extend(page.entries);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(entries),
        }
    }
}

async fn one_operation(
    store: &Store,
    table: SortedMap<u64>,
    model: &mut Model,
    chance: &mut Chance,
) -> Result<(), Error> {
    match chance.below(10) {
        0..=2 => {
            let entries: Vec<(String, u64)> = chance.keys().into_iter().map(|key| (key, chance.next())).collect();
            table.insert(store, entries.clone()).await?;
            model.extend(entries);
        }
        3 => {
            let keys = chance.keys();
            table.remove(store, keys.clone()).await?;
            for key in keys {
                model.remove(&key);
            }
        }
        4 => {
            let keys = chance.keys();
            let expected: Vec<Option<u64>> = keys.iter().map(|key| model.get(key).copied()).collect();
            check("get_many", table.get_many(store, keys.clone()).await?, expected.clone());
            for (key, expected) in keys.iter().zip(expected) {
                check("get", table.get(store, key).await?, expected);
            }
        }
        5 => {
            let (prefix, limit) = (chance.key(), chance.limit());
            let expected = within(model, |key| key.starts_with(&prefix));
            check("prefix", table.prefix(store, &prefix, limit).await?, first(expected.clone().into_iter(), limit));
            let reverse = table.reverse_range(store, Prefix(&prefix), limit).await?;
            check("reverse prefix", reverse, first(expected.clone().into_iter().rev(), limit));
            check("count of a prefix", table.count(store, Prefix(&prefix)).await?, expected.len() as u64);
            let pages = all_pages(limit, async |after| table.page(store, Prefix(&prefix), limit, after).await).await?;
            check("pages of a prefix", pages, expected);
        }
        _ => ranges(store, table, model, chance).await?,
    }
    Ok(())
}

async fn ranges(store: &Store, table: SortedMap<u64>, model: &Model, chance: &mut Chance) -> Result<(), Error> {
    let (low, high, limit) = (chance.key(), chance.key(), chance.limit());
    let (low, high) = if low <= high { (low, high) } else { (high, low) };
    let (low, high) = (low.as_str(), high.as_str());
    match chance.below(4) {
        0 => {
            let up = within(model, |key| low <= key && key < high);
            check("range", table.range(store, low..high, limit).await?, first(up.clone().into_iter(), limit));
            check("count", table.count(store, low..high).await?, up.len() as u64);
            let pages = all_pages(limit, async |after| table.page(store, low..high, limit, after).await).await?;
            check("pages", pages, up);
            let down = within(model, |key| low < key && key <= high).into_iter().rev();
            check("reverse", table.reverse_range(store, high..low, limit).await?, first(down.clone(), limit));
            let pages = all_pages(limit, async |after| table.reverse_page(store, high..low, limit, after).await);
            check("reverse pages", pages.await?, down.collect());
        }
        1 => {
            let up = within(model, |key| low <= key).into_iter();
            check("range from", table.range(store, low.., limit).await?, first(up, limit));
            let down = within(model, |key| key <= high).into_iter().rev();
            check("reverse from", table.reverse_range(store, high.., limit).await?, first(down, limit));
        }
        2 => {
            let up = within(model, |key| key < high).into_iter();
            check("range to", table.range(store, ..high, limit).await?, first(up, limit));
            let down = within(model, |key| low < key).into_iter().rev();
            check("reverse to", table.reverse_range(store, ..low, limit).await?, first(down, limit));
        }
        _ => {
            let all = within(model, |_| true);
            check("whole", table.range(store, .., limit).await?, first(all.clone().into_iter(), limit));
            check("whole count", table.count(store, ..).await?, all.len() as u64);
            let pages = all_pages(limit, async |after| table.reverse_page(store, .., limit, after).await).await?;
            check("whole reverse pages", pages, all.into_iter().rev().collect());
        }
    }
    Ok(())
}

async fn operations(store: &Store, seed: u64, count: usize) -> [Model; TABLES.len()] {
    let mut chance = Chance(seed);
    let mut models = [const { Model::new() }; TABLES.len()];
    for number in 0..count {
        let index = chance.below(TABLES.len());
        if let Err(error) = one_operation(store, TABLES[index], &mut models[index], &mut chance).await {
            panic!("operation {number}: {error}");
        }
    }
    models
}

fn seed() -> u64 {
    let given = std::env::var("TABLE_MODEL_SEED").ok().map(|seed| seed.parse().expect("a seed is a number"));
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("TABLE_MODEL_SEED={seed}");
    seed
}

async fn open(path: &Path) -> Store {
    Store::open(path).cache_bytes(1 << 20).await.expect("a store")
}

#[tokio::test]
async fn a_table_in_memory_is_what_its_model_is() {
    let store = Store::in_memory().expect("a store");
    operations(&store, seed(), 4000).await;
}

#[tokio::test]
async fn a_table_in_a_file_is_what_its_model_is_and_still_is_after_opening_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("model.redb");
    let store = open(&path).await;
    let models = operations(&store, seed(), 600).await;
    store.close().await;
    let store = open(&path).await;
    for (table, model) in TABLES.into_iter().zip(models) {
        assert_eq!(table.range(&store, .., 100_000).await.expect("read"), within(&model, |_| true));
    }
}
