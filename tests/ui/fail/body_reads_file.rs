use durable_runtime::prelude::*;
use std::net::TcpStream;
use std::{fs, process};

/// Reads a file and asks the network.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    let text = fs::read_to_string("notes.txt");
    let stream = TcpStream::connect("127.0.0.1:80");
    let date = process::Command::new("date").output();
    let _ = (text, stream, date);
    let _ = cx;
    Ok(())
}

fn main() {}
