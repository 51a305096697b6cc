//! Calls of the disk that fail: each call of a run, once and several times in a row, with a full disk and with an I/O error.

use std::io;
use std::sync::Arc;

use super::disk::{CACHE_BYTES, Call, Disk, Event, Fault, Note};
use super::power_loss::boundaries;
use super::program::PROGRAMS;

/// How many calls in a row fail.
const IN_A_ROW: [u64; 2] = [1, 6];

/// Says which fault it was, if a promise is broken.
struct Told(Fault);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{:?}", self.0);
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_a_call_of_the_disk_fails_and_the_store_goes_on_when_it_works_again() {
    let tries_all = std::env::var_os("DURABLE_FAULTS").is_some_and(|effort| effort == "all");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (mut runs, mut failed, mut cuts) = (0, 0, 0);
    // One with few commits, for a commit opens the store again too, and one with everything.
    let programs = if tries_all { &PROGRAMS[..] } else { &[PROGRAMS[0], PROGRAMS[PROGRAMS.len() - 1]] };
    for program in programs {
        println!("{}", program.name);
        for (call, errors) in [
            (Call::Read, &[io::ErrorKind::Other][..]),
            (Call::Write, &[io::ErrorKind::StorageFull, io::ErrorKind::Other]),
            (Call::SetLen, &[io::ErrorKind::StorageFull]),
            (Call::Sync, &[io::ErrorKind::Other, io::ErrorKind::StorageFull]),
        ] {
            let cache_bytes = if call == Call::Read { 0 } else { CACHE_BYTES };
            let sound = Disk::failing(None, cache_bytes);
            runtime.block_on(program.run(&sound));
            let calls = sound.count(call);
            let step = if tries_all { 1 } else { usize::try_from(calls / 20).unwrap_or(1).max(1) };
            for first in (0..calls).step_by(step) {
                for (times, error) in IN_A_ROW.into_iter().zip(errors.iter().copied().cycle()) {
                    let fault = Fault { call, first, times, error };
                    let disk = Disk::failing(Some(fault), cache_bytes);
                    let told = Told(fault);
                    runtime.block_on(program.run(&disk));
                    runs += 1;
                    failed += disk.failed();
                    let notes = disk.events().into_iter().filter_map(|event| match event {
                        Event::Noted(note) => Some(note),
                        _ => None,
                    });
                    let notes: Vec<Note> = notes.collect();
                    runtime.block_on(program.check_promises(&Disk::holding(disk.file()), &notes));
                    if call == Call::Sync {
                        // What a failed sync was to write never comes to the disk by itself.
                        for boundary in boundaries(Vec::new(), Arc::default(), disk.events(), true) {
                            cuts += 1;
                            boundary.survives_without_what_is_pending();
                        }
                    }
                    drop(told);
                }
            }
            println!("{call:?}: {calls} calls");
        }
    }
    println!("{runs} runs, {failed} calls that failed, {cuts} power cuts after a failed sync");
}
