use durable_runtime::prelude::*;

struct Users;

#[audit("users")]
impl Users {
    fn count(&self) -> usize {
        0
    }
}

fn main() {
    let _ = Users.count();
}
