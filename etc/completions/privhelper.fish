# fish completion of privhelper: /usr/share/fish/vendor_completions.d/privhelper.fish
complete -c privhelper -f
set -l commands run list rootwrap rootwrap-daemon daemon serve check explain suggest status lock version help
complete -c privhelper -n "not __fish_seen_subcommand_from $commands" -a "$commands"
complete -c privhelper -n '__fish_seen_subcommand_from run daemon serve check explain suggest' -l config -r -F -d 'configuration'
complete -c privhelper -n '__fish_seen_subcommand_from run list' -l socket -r -F -d 'socket of the service'
complete -c privhelper -n '__fish_seen_subcommand_from serve' -l listen -r -F -d 'path of the socket'
complete -c privhelper -n '__fish_seen_subcommand_from check explain suggest' -l untrusted-files -d 'do not judge who owns files'
complete -c privhelper -n '__fish_seen_subcommand_from check explain status' -l json
complete -c privhelper -n '__fish_seen_subcommand_from check' -l fail-on -x -a 'error warning note'
complete -c privhelper -n '__fish_seen_subcommand_from check' -l sudoers -r -F
complete -c privhelper -n '__fish_seen_subcommand_from explain' -l semantics -x -a 'strict oslo'
complete -c privhelper -n '__fish_seen_subcommand_from suggest' -l run-as -x -a '(__fish_complete_users)'
complete -c privhelper -n '__fish_seen_subcommand_from status' -l openmetrics
complete -c privhelper -n '__fish_seen_subcommand_from status' -l control -r -F
complete -c privhelper -n '__fish_seen_subcommand_from lock' -l shared
complete -c privhelper -n '__fish_seen_subcommand_from lock' -l fair
complete -c privhelper -n '__fish_seen_subcommand_from lock' -l oslo
complete -c privhelper -n '__fish_seen_subcommand_from lock' -l wrapper
complete -c privhelper -n '__fish_seen_subcommand_from lock' -l timeout -x
complete -c privhelper -n '__fish_seen_subcommand_from lock' -l folder -r -F
complete -c privhelper -n '__fish_seen_subcommand_from lock' -l prefix -x
complete -c privhelper -n '__fish_seen_subcommand_from run' -l fence-token -x

# __privhelper_command is a command, and then what that completes to: behind -- if there is one.
function __privhelper_command
    set -l words (commandline -opc)
    if set -l at (contains -i -- -- $words)
        complete -C (string join ' ' -- (string escape -- $words[(math $at + 1)..]) (commandline -ct))
    else if test $words[2] != lock
        __fish_complete_subcommand --fcs-skip=2
    end
end
complete -c privhelper -n '__fish_seen_subcommand_from run explain lock' -a '(__privhelper_command)'
