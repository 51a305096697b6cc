use durable_runtime::allow_nondeterminism;

#[allow_nondeterminism]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn main() {
    now();
}
