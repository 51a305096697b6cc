use durable_runtime::prelude::*;
use std::collections::{HashMap, HashSet};

/// Goes through a map in no order.
#[durable_tool]
async fn tool(cx: &DurableContext, ages: HashMap<String, u8>, names: HashSet<String>) -> Result<(), ToolError> {
    for (name, age) in &ages {
        println!("{name} {age}");
    }
    let first = names.iter().next();
    let _ = first;
    let _ = cx;
    Ok(())
}

fn main() {}
