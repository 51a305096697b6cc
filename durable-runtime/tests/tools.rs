//! What a server makes of its tools: their names, their arguments, and schemas that it refuses.

mod support;

use std::collections::BTreeMap;

use durable_runtime::ErrorKind;
use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use self::support::server;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewUser {
    user_name: String,
    #[serde(default)]
    bio: String,
}

/// Takes one type with all arguments.
#[durable_tool(destructive = false)]
async fn whole(_cx: &DurableContext, #[args] input: NewUser) -> Result<String, ToolError> {
    Ok(input.user_name + &input.bio)
}

/// Takes arguments by other names.
#[durable_tool(rename_all = "camelCase")]
async fn renamed(
    _cx: &DurableContext,
    user_name: String,
    #[arg(rename = "at-most", default = 3)] limit: usize,
) -> Result<String, ToolError> {
    Ok(user_name.chars().take(limit).collect())
}

/// Takes what is not an object.
#[durable_tool]
async fn listed(_cx: &DurableContext, #[args] input: Vec<u8>) -> Result<usize, ToolError> {
    Ok(input.len())
}

/// Takes fields without fixed names.
#[durable_tool]
async fn mapped(_cx: &DurableContext, #[args] input: BTreeMap<String, u8>) -> Result<usize, ToolError> {
    Ok(input.len())
}

#[tokio::test]
async fn many_tools_are_given_at_once_and_called_by_the_names_of_their_arguments() {
    let server = server().tools(tools![whole, renamed]).tool(mapped).open().await.expect("a server");
    let call = async |tool: &str, arguments| server.call(tool, arguments).await.expect("an answer").result;
    assert_eq!(call("whole", json!({ "userName": "ada", "bio": "!" })).await.expect("a value"), "ada!");
    assert_eq!(call("whole", json!({ "userName": "ada" })).await.expect("a value"), "ada");
    assert_eq!(call("renamed", json!({ "userName": "ada lovelace" })).await.expect("a value"), "ada");
    assert_eq!(call("renamed", json!({ "userName": "ada", "at-most": 1 })).await.expect("a value"), "a");
    assert_eq!(call("mapped", json!({ "a": 1, "b": 2 })).await.expect("a value"), 2);
    for (tool, arguments) in [("whole", json!({ "user_name": "ada" })), ("renamed", json!({ "user_name": "ada" }))] {
        let error = server.call(tool, arguments).await.expect_err("a name that the tool does not have");
        assert_eq!(error.code(), "invalid_arguments");
    }
}

#[tokio::test]
async fn arguments_that_are_no_object_are_refused_when_the_server_is_opened() {
    let error = server().tools(tools![whole, listed]).open().await.expect_err("an array is not an object");
    assert_eq!((error.kind(), error.code()), (ErrorKind::FixProgram, "schema_invalid"));
    assert!(error.to_string().contains("`listed`"), "{error}");
}
