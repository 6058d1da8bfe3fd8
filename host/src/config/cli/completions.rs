//! Completions of the host and of both built-in components, from the same definitions as `--help`.

use clap::{Command, CommandFactory as _, ValueHint};
use clap_complete::{Generator as _, Shell};

use super::{BuiltIn, Cli};
use crate::config::built_in;

/// Completes file names of components wherever one may stand, for shells that can.
///
/// clap's generators cannot filter file names by pattern, so each script is followed by the shell's
/// own means for it.
const BASH: &str = r#"
# Files of components, where one may stand.
_udping-host_with_files() {
    local cur="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" word file
    _udping_host "$@"
    [[ "$cur" == -* || "$previous" == -* ]] && return 0
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$word" in
            client|server|demo|emit|plot|completions|man|help|*.wasm|*.cwasm) return 0 ;;
        esac
    done
    while IFS= read -r file; do
        if [[ -d "$file" ]]; then
            compopt -o nospace 2>/dev/null
            COMPREPLY+=("$file/")
        elif [[ "$file" == *.wasm || "$file" == *.cwasm ]]; then
            COMPREPLY+=("$file")
        fi
    done < <(compgen -f -- "$cur")
    return 0
}
complete -F _udping-host_with_files -o nosort -o bashdefault -o default udping-host 2>/dev/null ||
    complete -F _udping-host_with_files -o bashdefault -o default udping-host
"#;

const FISH: &str = r#"
# Files of components, where one may stand.
complete -c udping-host -n "__fish_udping_host_needs_command; or __fish_seen_subcommand_from run grants inspect compile learn" -k -a "(__fish_complete_suffix .wasm)"
complete -c udping-host -n "__fish_udping_host_needs_command; or __fish_seen_subcommand_from run grants inspect compile learn" -k -a "(__fish_complete_suffix .cwasm)"
"#;

const ZSH_COMMANDS: &str = "    _describe -t commands 'udping-host commands' commands \"$@\"\n";
const ZSH_FILES: &str = "    _files -g '*.(wasm|cwasm)(-.)'\n";

/// The program's name, and its placeholder in bash's script.
const NAME: &str = "udping-host";
const IN_BASH: &str = "udping_host";

/// Generates the script for `shell`.
pub fn script(shell: Shell) -> Vec<u8> {
    // clap_complete's script for bash uses the name in two roles, and a hyphen breaks one: in the
    // other, the program's, it is put back below.
    let name = if shell == Shell::Bash { IN_BASH } else { NAME };
    let mut command = definition();
    command.set_bin_name(name);
    command.build();
    let mut script = Vec::new();
    shell.generate(&command, &mut script);
    match shell {
        Shell::Bash => {
            let text = String::from_utf8_lossy(&script);
            let text =
                text.replace(&format!(" default {IN_BASH}\n"), &format!(" default {NAME}\n"));
            return [text.as_bytes(), BASH.as_bytes()].concat();
        }
        Shell::Fish => script.extend(FISH.as_bytes()),
        Shell::Zsh => {
            let text = String::from_utf8_lossy(&script);
            return text.replace(ZSH_COMMANDS, &format!("{ZSH_COMMANDS}{ZSH_FILES}")).into_bytes();
        }
        _ => {}
    }
    script
}

/// The command line of this program, including those of the components.
fn definition() -> Command {
    let mut command = Cli::command();
    for built_in in [BuiltIn::Client, BuiltIn::Server] {
        let component = built_in.component();
        let about = command
            .find_subcommand(component.name)
            .and_then(Command::get_about)
            .cloned()
            .unwrap_or_default();
        let definition = built_in::definition(component).name(component.name).about(about);
        command = command.mut_subcommand(component.name, |_| definition);
    }
    with_hints(command)
}

/// Marks the options whose value is a file.
fn with_hints(command: Command) -> Command {
    let names_file = |argument: &clap::Arg| {
        argument.get_value_names().is_some_and(|names| {
            names.iter().any(|name| matches!(name.as_str(), "FILE" | "COMPONENT" | "RESULTS"))
        })
    };
    let hint = |argument: clap::Arg| {
        if names_file(&argument) { argument.value_hint(ValueHint::FilePath) } else { argument }
    };
    command.mut_args(hint).mut_subcommands(with_hints)
}
