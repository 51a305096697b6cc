//! What all this is for: a server killed between two steps of a call.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use durable_examples::{
    client::{Client, structured_content, text},
    effects::{Effect, EffectsFile},
    process::RunningServer,
    witness::ATTEMPT_BEGINS,
};
use serde_json::{Value, json};
use tokio::{process::Command, time::sleep};
use uuid::Uuid;

use crate::{
    interrupt::Interrupts,
    programs::Programs,
    run::{Ended, Setting},
};

const TOOL: &str = "create_user_with_profile";
const FIRST: &str = "create_user";
const SECOND: &str = "create_profile";
// Derived from the user name `carol`, and so known before anybody was told.
const PROFILE: &str = "profile_user_ab10bf0115225708967e0fa38a7b241b";

// Between the moment when the first outcome is known to be recorded and the second effect lies one such wait.
const SLOW: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);

/// Shows it, and fails where anything is not as promised.
pub(crate) async fn run(programs: &Programs, setting: &Setting, interrupts: &mut Interrupts) -> anyhow::Result<Ended> {
    // An interrupt drops the whole scene, and the server with it.
    tokio::select! {
        shown = show(programs, setting) => shown.map(|()| Ended::AsExpected),
        interrupt = interrupts.next() => {
            println!("\ninterrupted");
            Ok(Ended::Interrupted(interrupt))
        }
    }
}

async fn show(programs: &Programs, setting: &Setting) -> anyhow::Result<()> {
    let program = programs.path("steps")?;
    let directory = setting.directory()?;
    // Names of their own, so that a directory that is kept serves run after run.
    let key = Uuid::new_v4().to_string();
    let store = directory.path().join(format!("crash-{key}.redb"));
    let effects = EffectsFile::at(directory.path().join(format!("crash-{key}.effects")));

    say("the server starts; each attempt of a step waits 1 s before and after its effect");
    let mut server = RunningServer::start(&mut slow_server(program, &setting.listen, &store, &effects)).await?;
    let url = server.url().to_owned();
    println!("{url}");

    let arguments = json!({ "username": "carol", "email": "carol@example.com", "bio": "Wants to be created once" });
    say("a client makes a call, under an idempotency key");
    println!("> {TOOL} {arguments}\n  key {key}");
    let mut caller = Command::new(programs.path("steps-client")?)
        .args([&url, "--protocol", setting.protocol_name(), "--call", TOOL, "--key", &key, "--arguments"])
        .arg(arguments.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the client")?;

    let first = tokio::select! {
        first = effects.wait_for(FIRST) => first?,
        ended = caller.wait() => bail!("the client ended with {} before any step had its effect", ended?),
    };
    say("the first step has its effect");
    println!("{first}");
    server.logged(&[ATTEMPT_BEGINS, SECOND]).await?;
    say("its outcome is recorded and the second step has begun, but has had no effect yet: kill -9");
    let status = server.kill().await?;
    println!("the server ended with {status}");
    let before = effects.read()?;
    ensure!(
        !before.iter().any(|effect| effect.step == SECOND),
        "the kill came too late: the second step had its effect already, so there is nothing to see; run it again"
    );
    // Gone before the server is back, so that nobody can be said to have asked.
    caller.kill().await.context("cannot end the client")?;
    println!("the client has lost its server, and is gone too");

    say("the server starts again on the same store; nobody makes a call");
    let address = url.trim_start_matches("http://").trim_end_matches("/mcp");
    let server = RunningServer::start(&mut slow_server(program, address, &store, &effects)).await?;
    let seen = async {
        let second = effects.wait_for(SECOND).await?;
        say("the second step has its effect, with nobody asking");
        println!("{second}");
        wait_for_profile(server.url(), setting).await?;
        let (answer, took) = call_again(server.url(), setting, &arguments, &key).await?;
        check(&effects, &first, &answer)?;
        say("the call came to its end by itself");
        println!(
            "the first step ran exactly once, and was not run again after the kill\n\
             the second step ran exactly once\n\
             the client's call, made again, got its result after {} ms",
            took.as_millis()
        );
        anyhow::Ok(())
    }
    .await;
    let stopped = server.stop().await;
    seen?;
    stopped
}

/// Waits until the second step's outcome is recorded: its table write is seen then, and not before.
async fn wait_for_profile(url: &str, setting: &Setting) -> anyhow::Result<()> {
    let client = Client::connect(url, setting.protocol).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = client.request("get_profile", &json!({ "profile_id": PROFILE }), None).await?;
        let found = structured_content("get_profile", &found)?;
        if found["status"] == "success" {
            say("its outcome is recorded: the profile is in its table, and the body has come to its end");
            println!("{}", found["profile"]);
            break;
        }
        ensure!(Instant::now() < deadline, "the profile is not there after {} s", PATIENCE.as_secs());
        sleep(Duration::from_millis(50)).await;
    }
    client.close().await;
    Ok(())
}

fn slow_server(program: &Path, listen: &str, store: &Path, effects: &EffectsFile) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--listen", listen, "--slow", &SLOW.as_millis().to_string(), "--store"])
        .arg(store)
        .arg("--effects")
        .arg(effects.path())
        // The kill is aimed by the log, so the log must be there.
        .env("RUST_LOG", "info,rmcp=warn");
    command
}

/// Makes the same call under the same key, as a client does whose answer was lost, and looks at what it created.
async fn call_again(url: &str, setting: &Setting, arguments: &Value, key: &str) -> anyhow::Result<(Value, Duration)> {
    say("the client comes back and makes the same call under the same key");
    println!("> {TOOL} {arguments}\n  key {key}");
    let client = Client::connect(url, setting.protocol).await?;
    let begun = Instant::now();
    let result = client.request(TOOL, arguments, Some(key)).await?;
    let took = begun.elapsed();
    let answer = structured_content(TOOL, &result)?;
    println!("< {}", text(&result).unwrap_or_default());
    if let Some(meta) = &result.meta {
        println!("  _meta {}", Value::Object(meta.0.clone()));
    }
    println!();
    ensure!(answer["status"] == "success", "the call should have succeeded, but gave {answer}");
    let user = json!({ "username": arguments["username"], "email": arguments["email"] });
    client
        .expect("get_user", &json!({ "user_id": answer["user_id"] }), &json!({ "status": "success", "user": user }))
        .await?;
    let profile = json!({ "user_id": answer["user_id"], "bio": arguments["bio"], "avatar_url": "" });
    client
        .expect(
            "get_profile",
            &json!({ "profile_id": answer["profile_id"] }),
            &json!({ "status": "success", "profile": profile }),
        )
        .await?;
    client.close().await;
    Ok((answer, took))
}

/// Holds what the steps themselves wrote, outside the store, against what is promised.
fn check(effects: &EffectsFile, first: &Effect, answer: &Value) -> anyhow::Result<()> {
    let lines = effects.read()?;
    say("what the steps wrote, outside the store: tool, step, invocation, attempt");
    for line in &lines {
        println!("{line}");
    }
    let times = |step: &str| lines.iter().filter(|effect| effect.step == step).count();
    // A step that runs at least once may run again if the kill comes before its outcome is recorded. Here it came
    // after, so that would break a promise.
    ensure!(times(FIRST) == 1, "the first step ran {} times", times(FIRST));
    ensure!(times(SECOND) == 1, "the second step ran {} times", times(SECOND));
    ensure!(lines.len() == 2, "something else ran too");
    let stranger = lines.iter().find(|effect| effect.tool != TOOL || effect.invocation != first.invocation);
    ensure!(stranger.is_none(), "an effect of another invocation: {stranger:?}");
    ensure!(answer["profile_id"] == PROFILE, "the result names another profile than `{PROFILE}`: {answer}");
    Ok(())
}

fn say(line: &str) {
    println!("\n--- {line}");
}
