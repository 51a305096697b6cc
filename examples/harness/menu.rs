//! The menu.

use std::{
    io::{BufRead as _, Write as _},
    thread,
};

use tokio::sync::mpsc;

use crate::{
    entry::{ENTRIES, Entry},
    interrupt::{Interrupt, Interrupts},
    programs::Programs,
    run::{Ended, Setting},
};

/// Shows the menu and runs what is chosen, until `q`, the end of the input, or Ctrl-C.
pub(crate) async fn show(programs: &Programs, setting: &Setting, interrupts: &mut Interrupts) -> anyhow::Result<Ended> {
    let mut answers = answers();
    loop {
        print_entries()?;
        let answer = tokio::select! {
            answer = answers.recv() => answer,
            _ = interrupts.next() => None,
        };
        let Some(answer) = answer else {
            println!();
            return Ok(Ended::AsExpected);
        };
        match answer.trim() {
            "" => {}
            "q" | "Q" => return Ok(Ended::AsExpected),
            answer => match chosen(answer) {
                None => println!("there is no `{answer}` in the menu"),
                Some(entry) => match entry.run(programs, setting, interrupts).await {
                    Ok(Ended::Interrupted(Interrupt::Terminate)) => {
                        return Ok(Ended::Interrupted(Interrupt::Terminate));
                    }
                    Ok(ended) => println!("\n{}: {ended}", entry.name),
                    Err(error) => println!("\n{}: {error:#}", entry.name),
                },
            },
        }
    }
}

fn print_entries() -> anyhow::Result<()> {
    println!("\nDurable MCP servers in Rust: the examples\n");
    for (number, entry) in (1..).zip(ENTRIES) {
        println!("  {number}  {:<12}{}", entry.name, entry.summary);
    }
    print!("  q  leave\n\n> ");
    Ok(std::io::stdout().flush()?)
}

/// Finds an entry by its number or its name.
fn chosen(answer: &str) -> Option<&'static Entry> {
    let by_number = answer.parse::<usize>().ok().and_then(|number| ENTRIES.get(number.checked_sub(1)?));
    by_number.or_else(|| Entry::named(answer))
}

/// Reads lines in a thread of its own: a read of standard input cannot be taken back when Ctrl-C comes first.
fn answers() -> mpsc::UnboundedReceiver<String> {
    let (lines, answers) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if lines.send(line).is_err() {
                break;
            }
        }
    });
    answers
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn entries_are_chosen_by_number_or_name() {
        assert_eq!(chosen("2").map(|entry| entry.name), Some("steps"));
        assert_eq!(chosen("crash").map(|entry| entry.name), Some("crash"));
        assert!(chosen("0").is_none());
        assert!(chosen("99").is_none());
        assert!(chosen("nothing").is_none());
    }
}
