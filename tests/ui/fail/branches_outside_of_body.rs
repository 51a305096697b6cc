use durable_runtime::prelude::*;

async fn plain() {
    join!(async {}, async {});
    try_join!(async { Ok::<_, ToolError>(1) });
    race!(async {}, async {});
}

fn main() {}
