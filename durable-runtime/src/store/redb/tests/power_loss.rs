//! Power cuts at every sync of a run: of the writes that were not synced any may be missing, or be there in part.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::disk::{Disk, Event, Note, Rows, write};
use super::program::{PROGRAMS, rows};
use super::random::Random;
use crate::store::{Batch, Keyspace, SyncBackend as _};

/// The smallest piece that a disk writes whole.
const SECTOR: usize = 512;

/// How much is tried.
pub(super) struct Effort {
    /// Unsynced calls of which all subsets are tried.
    exhaustive: usize,
    /// Subsets with torn writes for each boundary where there are more.
    sampled: usize,
    /// Whether a power cut during the opening after a power cut is tried at each boundary, or at some.
    second_cut_at_each: usize,
}

impl Effort {
    fn asked() -> Self {
        if std::env::var_os("DURABLE_FAULTS").is_some_and(|effort| effort == "all") {
            Self { exhaustive: 12, sampled: 500, second_cut_at_each: 1 }
        } else {
            Self { exhaustive: 5, sampled: 12, second_cut_at_each: 7 }
        }
    }
}

/// A moment at which a sync had not come back yet.
pub(super) struct Boundary {
    /// What is durable for certain.
    durable: Vec<u8>,
    /// The writes and changes of length that are not, in their order.
    pending: Vec<Event>,
    /// The rows that were acknowledged, and those of the commit that was under way.
    acknowledged: Arc<Rows>,
    committing: Option<Arc<Rows>>,
    /// What the world saw before. An effect or an answer more is a promise more to keep, so the latest moment is the worst.
    pub(super) notes: Vec<Note>,
}

/// The boundaries of a run. What a failed sync was to write is on the disk as if it had not failed, or it never comes there.
pub(super) fn boundaries(
    durable: Vec<u8>,
    acknowledged: Arc<Rows>,
    events: Vec<Event>,
    is_lost_after_failure: bool,
) -> Vec<Boundary> {
    let mut now = Boundary { durable, pending: Vec::new(), acknowledged, committing: None, notes: Vec::new() };
    let mut boundaries = Vec::new();
    for event in events {
        match event {
            Event::Write { .. } | Event::SetLen(_) => now.pending.push(event),
            Event::Noted(note) => {
                match &note {
                    Note::Committing(rows) => now.committing = Some(Arc::clone(rows)),
                    Note::Committed => now.acknowledged = now.committing.take().expect("a commit was begun"),
                    // What is found there is shown to readers, and must stay.
                    Note::Found(rows) => (now.acknowledged, now.committing) = (Arc::clone(rows), None),
                    _ => {}
                }
                now.notes.push(note);
            }
            Event::NotSynced if is_lost_after_failure => now.pending.clear(),
            Event::NotSynced => {}
            Event::Synced => {
                let mut durable = now.durable.clone();
                now.pending.iter().for_each(|event| event.apply(&mut durable));
                let next = Boundary {
                    durable,
                    pending: Vec::new(),
                    acknowledged: Arc::clone(&now.acknowledged),
                    committing: now.committing.clone(),
                    notes: now.notes.clone(),
                };
                boundaries.push(std::mem::replace(&mut now, next));
            }
        }
    }
    boundaries.push(now);
    boundaries
}

/// How much of a pending call is on the disk: a bit for each sector, and all of them for a change of length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kept(u64);

impl Kept {
    const NOTHING: Self = Self(0);
    const ALL: Self = Self(u64::MAX);
}

/// What of the pending calls is on the disk, and in which order it came there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Image {
    kept: Vec<Kept>,
    is_reversed: bool,
}

impl Boundary {
    fn image(&self, image: &Image) -> Vec<u8> {
        let mut file = self.durable.clone();
        let mut order: Vec<_> = self.pending.iter().zip(&image.kept).collect();
        if image.is_reversed {
            order.reverse();
        }
        for (event, kept) in order {
            match event {
                Event::Write { offset, data } => {
                    // A torn write is torn between sectors of the disk, not of the write.
                    let into = usize::try_from(*offset).expect("a small file") % SECTOR;
                    let mut from = 0;
                    let mut sector = 0;
                    while from < data.len() {
                        let to = data.len().min((sector + 1) * SECTOR - into);
                        if kept.0 >> sector.min(63) & 1 == 1 {
                            write(&mut file, offset + from as u64, &data[from..to]);
                        }
                        (from, sector) = (to, sector + 1);
                    }
                }
                event if *kept == Kept::ALL => event.apply(&mut file),
                _ => {}
            }
        }
        file
    }

    fn sectors(&self, index: usize) -> usize {
        match &self.pending[index] {
            Event::Write { data, .. } => data.len().div_ceil(SECTOR).min(64),
            _ => 1,
        }
    }

    /// The images that are tried; `true` if these are all subsets of the pending calls.
    fn images(&self, effort: &Effort, random: &mut Random) -> (BTreeSet<Image>, bool) {
        let count = self.pending.len();
        let subset = |keeps: &dyn Fn(usize) -> bool| Image {
            kept: (0..count).map(|index| if keeps(index) { Kept::ALL } else { Kept::NOTHING }).collect(),
            is_reversed: false,
        };
        let mut images = BTreeSet::from([subset(&|_| true), subset(&|_| false)]);
        images.insert(Image { is_reversed: true, ..subset(&|_| true) });
        let is_exhaustive = count <= effort.exhaustive;
        if is_exhaustive {
            images.extend((0..1_u32 << count).map(|bits| subset(&|index| bits >> index & 1 == 1)));
        }
        for one in 0..count {
            images.insert(subset(&|index| index != one));
            images.insert(subset(&|index| index == one));
            images.insert(subset(&|index| index < one));
            // Torn, among all the others and after all that came before it.
            let sectors = self.sectors(one);
            if sectors > 1 {
                let at = 1 + random.below(sectors - 1);
                for torn in [(1 << at) - 1, u64::MAX << at, random.next()] {
                    for mut image in [subset(&|_| true), subset(&|index| index < one)] {
                        image.kept[one] = Kept(torn);
                        images.insert(image);
                    }
                }
            }
        }
        for _ in 0..effort.sampled {
            let kept = (0..count).map(|_| match random.below(3) {
                0 => Kept::NOTHING,
                1 => Kept::ALL,
                _ => Kept(random.next()),
            });
            images.insert(Image { kept: kept.collect(), is_reversed: random.below(4) == 0 });
        }
        (images, is_exhaustive)
    }

    /// Checks that all is there that was synced.
    pub(super) fn survives_without_what_is_pending(&self) {
        self.survivors(&Image { kept: vec![Kept::NOTHING; self.pending.len()], is_reversed: false });
    }

    /// Opens an image, and gives the rows that it holds.
    fn survivors(&self, image: &Image) -> (Disk, Rows) {
        let disk = Disk::holding(self.image(image));
        let store = disk.open().unwrap_or_else(|error| panic!("{image:?} cannot be opened: {error}"));
        let found = rows(&store).unwrap_or_else(|error| panic!("{image:?} cannot be read: {error}"));
        let is_whole = found == *self.acknowledged || self.committing.as_ref().is_some_and(|rows| found == **rows);
        assert!(is_whole, "{image:?} holds neither what was acknowledged nor that and the commit under way");
        // What the opening took for free space is free.
        let mut batch = Batch::default();
        for row in 0..8_u8 {
            batch.put(Keyspace::Table, [row], vec![row; 3000]);
        }
        store.commit_group(&[&batch]).unwrap_or_else(|error| panic!("{image:?} cannot be written to: {error}"));
        let mut expected = found.clone();
        expected.extend((0..8_u8).map(|row| ((Keyspace::Table, vec![row]), vec![row; 3000])));
        assert!(rows(&store).expect("read") == expected, "{image:?}: a commit after the power cut changes other rows");
        store.close();
        (disk, found)
    }
}

#[derive(Debug, Default)]
struct Counts {
    programs: usize,
    boundaries: usize,
    exhaustive: usize,
    images: usize,
    second_cuts: usize,
    recoveries: usize,
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_at_every_sync() {
    let effort = Effort::asked();
    let mut random = Random::seeded("DURABLE_FAULTS_SEED");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut counts = Counts::default();
    for program in PROGRAMS {
        println!("{}", program.name);
        let disk = Disk::holding(Vec::new());
        runtime.block_on(program.run(&disk));
        counts.programs += 1;
        for boundary in boundaries(Vec::new(), Arc::default(), disk.events(), false) {
            counts.boundaries += 1;
            let (images, is_exhaustive) = boundary.images(&effort, &mut random);
            counts.exhaustive += usize::from(is_exhaustive);
            let mut states: Vec<Rows> = Vec::new();
            for image in images {
                counts.images += 1;
                let (_, found) = boundary.survivors(&image);
                if states.contains(&found) {
                    continue;
                }
                // Images that hold the same rows recover in the same way.
                states.push(found);
                counts.recoveries += 1;
                let disk = Disk::holding(boundary.image(&image));
                runtime.block_on(program.check_promises(&disk, &boundary.notes));
            }
            if counts.boundaries % effort.second_cut_at_each == 0 {
                counts.second_cuts += second_cuts(&boundary, &effort, &mut random);
            }
        }
    }
    println!("{counts:?}");
}

/// Power cuts while the store is opened after a power cut.
fn second_cuts(boundary: &Boundary, effort: &Effort, random: &mut Random) -> usize {
    let all = Image { kept: vec![Kept::ALL; boundary.pending.len()], is_reversed: false };
    let disk = Disk::holding(boundary.image(&all));
    let store = disk.open().expect("the store");
    let found = Arc::new(rows(&store).expect("read"));
    store.close();
    let mut tried = 0;
    for boundary in boundaries(boundary.image(&all), found, disk.events(), false) {
        for image in boundary.images(effort, random).0 {
            boundary.survivors(&image);
            tried += 1;
        }
    }
    tried
}
