#![no_main]

use durable_runtime::fuzzing;
use libfuzzer_sys::fuzz_target;

// The store catches redb's panics over damaged pages, at which libFuzzer's hook would end the process. One that nobody catches
// still ends it.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |data: &[u8]| fuzzing::store_file(data));
