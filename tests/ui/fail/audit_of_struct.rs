use durable_runtime::prelude::*;

#[audit("users")]
struct Users;

fn main() {
    let _ = Users;
}
