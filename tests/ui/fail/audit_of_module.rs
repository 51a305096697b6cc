use durable_runtime::prelude::*;

#[audit("users")]
mod users {
    pub fn count() -> usize {
        0
    }
}

fn main() {
    let _ = users::count();
}
