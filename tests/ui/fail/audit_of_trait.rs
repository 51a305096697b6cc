use durable_runtime::prelude::*;

#[audit("users")]
trait Users {
    fn count(&self) -> usize;
}

impl Users for u8 {
    fn count(&self) -> usize {
        0
    }
}

fn main() {
    let _ = 1_u8.count();
}
