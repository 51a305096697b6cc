use durable_runtime::prelude::*;

struct Users;

impl Users {
    #[audit("users")]
    fn count(&self) -> usize {
        0
    }
}

fn main() {
    let _ = Users.count();
}
