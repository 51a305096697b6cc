//! The names by which a body reaches what is outside of it.

use syn::Path;

const CLOCK: &str = "a replay would see another time: use `cx.now()`, or read the clock in a step";
const CHANCE: &str = "a replay would draw something else: use `cx.random()` or `cx.uuid7()`, or draw it in a step";
const WAIT: &str = "a restart forgets this wait: use `cx.sleep(..)`, or wait in a step";
const SPAWN: &str = "what runs beside the body is neither recorded nor replayed: do the work in a step";
const ENVIRONMENT: &str =
    "a replay may find another environment: read it when the server starts, and pass it as `State`";
const WORLD: &str = "what is read or changed here is neither recorded nor replayed: do it in a step";

/// Functions of a type, written with the type before them as one writes them after a `use`.
const OF_TYPES: &[(&str, &[&str], &str)] = &[
    ("SystemTime", &["now"], CLOCK),
    ("Instant", &["now"], CLOCK),
    ("Utc", &["now"], CLOCK),
    ("Local", &["now"], CLOCK),
    ("Timestamp", &["now"], CLOCK),
    ("Zoned", &["now"], CLOCK),
    ("OffsetDateTime", &["now_utc", "now_local"], CLOCK),
    ("Uuid", &["new_v4", "new_v7", "now_v1", "now_v6", "now_v7"], CHANCE),
    ("Ulid", &["new"], CHANCE),
    ("StdRng", &["from_entropy", "from_os_rng"], CHANCE),
    ("SmallRng", &["from_entropy", "from_os_rng"], CHANCE),
    ("JoinSet", &["new"], SPAWN),
    ("File", &["create", "create_new", "open", "options"], WORLD),
    ("OpenOptions", &["new"], WORLD),
    ("TcpListener", &["bind"], WORLD),
    ("TcpStream", &["connect", "connect_timeout"], WORLD),
    ("UdpSocket", &["bind"], WORLD),
    ("UnixListener", &["bind"], WORLD),
    ("UnixStream", &["connect", "pair"], WORLD),
];

/// Functions of a module: by its whole path all of them, by its last word those that are named here.
const OF_MODULES: &[(&[&str], &[&str], &str)] = &[
    (&["std", "thread", "sleep"], &[], WAIT),
    (&["thread", "sleep"], &[], WAIT),
    (&["tokio", "time"], &["sleep", "sleep_until", "timeout", "timeout_at", "interval", "interval_at"], WAIT),
    (&["std", "thread"], &["scope", "spawn"], SPAWN),
    (&["tokio", "task"], &["block_in_place", "spawn", "spawn_blocking", "spawn_local"], SPAWN),
    (&["tokio", "spawn"], &[], SPAWN),
    (&["rayon"], &[], SPAWN),
    (
        &["std", "env"],
        &["args", "args_os", "current_dir", "current_exe", "set_var", "temp_dir", "var", "var_os", "vars", "vars_os"],
        ENVIRONMENT,
    ),
    (
        &["std", "fs"],
        &[
            "canonicalize",
            "copy",
            "create_dir",
            "create_dir_all",
            "exists",
            "metadata",
            "read",
            "read_dir",
            "read_to_string",
            "remove_dir",
            "remove_dir_all",
            "remove_file",
            "rename",
            "write",
        ],
        WORLD,
    ),
    (&["tokio", "fs"], &[], WORLD),
    (&["std", "process"], &["abort", "exit", "id"], WORLD),
    (&["tokio", "process"], &[], WORLD),
    (&["process", "Command"], &[], WORLD),
    (&["std", "io", "stdin"], &[], WORLD),
    (&["fastrand"], &[], CHANCE),
    (&["getrandom"], &[], CHANCE),
    (&["rand"], &[], CHANCE),
];

/// Functions that give the same each time, and types that are found beside the others.
const HARMLESS: &[&str] = &["Duration", "distr", "distributions", "from_seed", "seed_from_u64", "seq", "with_seed"];

/// Functions that are called without anything before their name.
const ALONE: &[&str] = &["getrandom", "thread_rng"];

/// Why a body must not name this outside of a step. `called` says that it is a function.
pub(super) fn outside(path: &Path, called: bool) -> Option<&'static str> {
    let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if let [name] = names[..] {
        return (called && ALONE.contains(&name)).then_some(CHANCE);
    }
    let (&function, before) = names.split_last()?;
    let owner = before.last()?;
    let of_type = OF_TYPES.iter().find(|(ty, functions, _)| owner == ty && functions.contains(&function));
    if let Some((_, _, message)) = of_type {
        return Some(message);
    }
    if function == "thread_rng" || function == "OsRng" {
        return Some(CHANCE);
    }
    // A type or a constant of such a module does nothing yet.
    if !function.starts_with(char::is_lowercase) || names.iter().any(|name| HARMLESS.contains(name)) {
        return None;
    }
    let of_module = OF_MODULES.iter().find(|(module, functions, _)| {
        let shortened = before == [module[module.len() - 1]] && functions.contains(&function);
        shortened || names.starts_with(module)
    });
    of_module.map(|(_, _, message)| *message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(path: &str) -> Option<&'static str> {
        outside(&syn::parse_str(path).expect("a path"), true)
    }

    #[test]
    fn each_kind_of_outside_is_known_by_its_usual_names() {
        let kinds: [(&str, &[&str]); 6] = [
            (
                CLOCK,
                &[
                    "SystemTime::now",
                    "std::time::Instant::now",
                    "tokio::time::Instant::now",
                    "chrono::Utc::now",
                    "Local::now",
                    "jiff::Timestamp::now",
                    "OffsetDateTime::now_utc",
                ],
            ),
            (
                CHANCE,
                &[
                    "rand::random",
                    "::rand::random::<u8>",
                    "rand::rngs::StdRng::from_os_rng",
                    "thread_rng",
                    "rand::thread_rng",
                    "Uuid::new_v4",
                    "uuid::Uuid::now_v7",
                    "fastrand::u8",
                    "getrandom",
                    "getrandom::fill",
                ],
            ),
            (WAIT, &["tokio::time::sleep", "time::timeout", "std::thread::sleep", "thread::sleep"]),
            (SPAWN, &["tokio::task::spawn_blocking", "task::spawn", "std::thread::Builder::new", "rayon::join"]),
            (ENVIRONMENT, &["std::env::var", "env::args"]),
            (
                WORLD,
                &[
                    "std::fs::read",
                    "fs::write",
                    "File::open",
                    "std::fs::File::create",
                    "tokio::fs::read",
                    "TcpStream::connect",
                    "std::process::Command::new",
                    "process::Command::new",
                    "tokio::process::Command::new",
                    "std::io::stdin",
                ],
            ),
        ];
        for (kind, paths) in kinds {
            for path in paths {
                assert_eq!(reason(path), Some(kind), "{path}");
            }
        }
        assert_eq!(reason("tokio::spawn"), Some(SPAWN));
    }

    #[test]
    fn names_of_the_authors_own_and_harmless_neighbours_pass() {
        for path in [
            "now",
            "sleep",
            "spawn",
            "clock::now",
            "Order::new",
            "Command::new",
            "files::open",
            "my::tasks::spawn",
            "thread::reply",
            "time::format",
            "env::checked",
            "std::time::Duration::from_secs",
            "tokio::time::Duration::from_secs",
            "std::env::VarError::NotPresent",
            "std::env::consts::OS",
            "StdRng::seed_from_u64",
            "rand::rngs::StdRng::seed_from_u64",
            "fastrand::Rng::with_seed",
            "Uuid::from_bytes",
            "Uuid::new_v5",
            "std::process::ExitCode::SUCCESS",
        ] {
            assert_eq!(reason(path), None, "{path}");
        }
        let variable = syn::parse_str("thread_rng").expect("a path");
        assert_eq!(outside(&variable, false), None, "a variable of that name");
    }
}
