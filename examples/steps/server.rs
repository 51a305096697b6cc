//! Two steps, each done once: a user, then their profile.

use std::process::ExitCode;

use clap::Parser;
use durable_examples::{flags::ServerFlags, server, witness::effect};
use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::{Uuid, uuid};

const USERS: SortedMap<User> = SortedMap::new("users");
const PROFILES: SortedMap<Profile> = SortedMap::new("profiles");

// Ids are names in this namespace, so the same user name has the same id in every run and on every machine.
const USER_NAMES: Uuid = uuid!("5d8e7d0c-6f0e-4b0e-9d43-0a2f1f6c2b57");

/// A row of the table `users`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct User {
    username: String,
    email: String,
}

/// A row of the table `profiles`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Profile {
    user_id: String,
    bio: String,
    avatar_url: String,
}

/// Creates a user and their profile, each in a step of its own.
///
/// When the server dies between the two, the profile is created after the restart, and the user is not created again.
#[durable_tool]
async fn create_user_with_profile(
    cx: &DurableContext,
    /// The name to sign in with. The ids are derived from it.
    username: String,
    /// The user's email address.
    email: String,
    /// What the user says about themselves.
    #[arg(default = "")]
    bio: String,
    /// Where the user's picture is.
    #[arg(default = "")]
    avatar_url: String,
) -> Result<Created, ToolError> {
    #[once(at_least)]
    let user_id = create_user(cx, &username, &email).await?;

    #[once(at_least)]
    let profile_id = create_profile(cx, &user_id, &bio, &avatar_url).await?;

    Ok(Created::Success { user_id, profile_id })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Created {
    Success { user_id: String, profile_id: String },
}

async fn create_user(cx: &StepContext, username: &str, email: &str) -> Result<String, ToolError> {
    let user_id = format!("user_{}", Uuid::new_v5(&USER_NAMES, username.as_bytes()).simple());
    let user = User { username: username.to_owned(), email: email.to_owned() };
    effect(cx, USERS.insert(cx, [(user_id.as_str(), user)])).await?;
    Ok(user_id)
}

async fn create_profile(cx: &StepContext, user_id: &str, bio: &str, avatar_url: &str) -> Result<String, ToolError> {
    let profile_id = format!("profile_{user_id}");
    let profile = Profile { user_id: user_id.to_owned(), bio: bio.to_owned(), avatar_url: avatar_url.to_owned() };
    effect(cx, PROFILES.insert(cx, [(profile_id.as_str(), profile)])).await?;
    Ok(profile_id)
}

/// Looks up a user.
#[durable_tool(read_only)]
async fn get_user(
    cx: &ReadContext,
    /// The id that `create_user_with_profile` gave.
    user_id: String,
) -> Result<FoundUser, ToolError> {
    Ok(match USERS.get(cx, &user_id).await? {
        Some(user) => FoundUser::Success { user },
        None => FoundUser::Error { message: "User not found".to_owned() },
    })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum FoundUser {
    Success { user: User },
    Error { message: String },
}

/// Looks up a profile.
#[durable_tool(read_only)]
async fn get_profile(
    cx: &ReadContext,
    /// The id that `create_user_with_profile` gave.
    profile_id: String,
) -> Result<FoundProfile, ToolError> {
    Ok(match PROFILES.get(cx, &profile_id).await? {
        Some(profile) => FoundProfile::Success { profile },
        None => FoundProfile::Error { message: "Profile not found".to_owned() },
    })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum FoundProfile {
    Success { profile: Profile },
    Error { message: String },
}

#[derive(Debug, Parser)]
#[command(name = "steps", about = "Serves the example `steps`: a user and their profile, in two steps", version)]
struct Flags {
    #[command(flatten)]
    server: ServerFlags,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    server::exit_code(run(&flags.server).await)
}

async fn run(flags: &ServerFlags) -> anyhow::Result<()> {
    server::prepare(flags)?;
    let steps = Server::builder("steps", env!("CARGO_PKG_VERSION"))
        .store(flags.store_of("steps")?)
        .instructions("Creates users with their profiles, and looks them up.")
        .tool(create_user_with_profile)
        .tool(get_user)
        .tool(get_profile);
    server::serve(steps, flags).await
}

#[cfg(test)]
mod tests;
