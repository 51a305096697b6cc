//! Tools that show all kinds of content, and tell how far they are.

use std::time::Duration;

use durable_runtime::Tool;
use durable_runtime::prelude::*;

/// A red dot.
pub(crate) const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53, 0xde, 0x00, 0x00, 0x00, 0x0c, 0x49,
    0x44, 0x41, 0x54, 0x08, 0xd7, 0x63, 0xf8, 0xcf, 0xc0, 0x00, 0x00, 0x00, 0x03, 0x00, 0x01, 0x5b, 0x2f, 0x60, 0x6a,
    0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

/// Silence.
const WAV: &[u8] = &[
    0x52, 0x49, 0x46, 0x46, 0x26, 0x00, 0x00, 0x00, 0x57, 0x41, 0x56, 0x45, 0x66, 0x6d, 0x74, 0x20, 0x10, 0x00, 0x00,
    0x00, 0x01, 0x00, 0x01, 0x00, 0x40, 0x1f, 0x00, 0x00, 0x80, 0x3e, 0x00, 0x00, 0x02, 0x00, 0x10, 0x00, 0x64, 0x61,
    0x74, 0x61, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
];

pub(crate) fn tools() -> Vec<Box<dyn Tool>> {
    tools![
        test_simple_text,
        test_image_content,
        test_audio_content,
        test_embedded_resource,
        test_multiple_content_types,
        test_error_handling,
        test_tool_with_progress,
        test_tool_with_logging,
        test_logging_tool,
        test_reconnection,
        test_custom_header,
    ]
}

/// Gives a text.
#[durable_tool(read_only)]
async fn test_simple_text(_cx: &ReadContext) -> Result<String, ToolError> {
    Ok("This is a simple text response for testing.".to_owned())
}

/// Gives an image.
#[durable_tool(read_only)]
async fn test_image_content(_cx: &ReadContext) -> Result<Content, ToolError> {
    Ok(Content::image(PNG, "image/png"))
}

/// Gives a sound.
#[durable_tool(read_only)]
async fn test_audio_content(_cx: &ReadContext) -> Result<Content, ToolError> {
    Ok(Content::audio(WAV, "audio/wav"))
}

/// Gives a resource.
#[durable_tool(read_only)]
async fn test_embedded_resource(_cx: &ReadContext) -> Result<Content, ToolError> {
    Ok(Content::resource("test://embedded-resource", "text/plain", "This is an embedded resource content.".into()))
}

/// Gives a text, an image and a resource.
#[durable_tool(read_only)]
async fn test_multiple_content_types(_cx: &ReadContext) -> Result<Vec<Content>, ToolError> {
    Ok(vec![
        Content::text("Multiple content types test:"),
        Content::image(PNG, "image/png"),
        Content::resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#.into()),
    ])
}

/// Fails.
#[durable_tool(read_only)]
async fn test_error_handling(_cx: &ReadContext) -> Result<String, ToolError> {
    Err(ToolError::new("This tool intentionally returns an error for testing"))
}

/// Says how far it is.
#[durable_tool]
async fn test_tool_with_progress(cx: &DurableContext) -> Result<String, ToolError> {
    for done in [0.0, 50.0, 100.0] {
        cx.progress(done, Some(100.0), &format!("Completed step {done} of 100"));
        cx.sleep(Duration::from_millis(50)).await;
    }
    Ok("done".to_owned())
}

/// Sends messages.
#[durable_tool]
async fn test_tool_with_logging(cx: &DurableContext) -> Result<String, ToolError> {
    for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        cx.log(LogLevel::Info, message);
        cx.sleep(Duration::from_millis(50)).await;
    }
    Ok("done".to_owned())
}

/// Sends a message, if the client asks for messages.
#[durable_tool]
async fn test_logging_tool(cx: &DurableContext) -> Result<String, ToolError> {
    cx.log(LogLevel::Info, "a message");
    Ok("done".to_owned())
}

/// Ends the connection in the middle of the call, so that the client comes back.
#[durable_tool]
async fn test_reconnection(cx: &DurableContext) -> Result<String, ToolError> {
    cx.close_stream();
    cx.sleep(Duration::from_millis(500)).await;
    Ok("Reconnection test completed successfully. If you received this, the client properly reconnected after stream closure.".to_owned())
}

/// Gives back what a header repeats.
#[durable_tool(read_only)]
async fn test_custom_header(
    _cx: &ReadContext,
    /// What the header `Mcp-Param-Value` has too.
    #[arg(header = "Value")]
    value: String,
) -> Result<String, ToolError> {
    Ok(value)
}
