# bash completion of privhelper: /usr/share/bash-completion/completions/privhelper
_privhelper() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} i
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W 'run list rootwrap rootwrap-daemon daemon serve check explain suggest status lock version help' -- "$cur")
		return
	fi
	case $prev in
	--config | --listen | --socket | --control | --sudoers | --folder)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--semantics)
		mapfile -t COMPREPLY < <(compgen -W 'strict oslo' -- "$cur")
		return
		;;
	--fail-on)
		mapfile -t COMPREPLY < <(compgen -W 'error warning note' -- "$cur")
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		local options
		case ${COMP_WORDS[1]} in
		run) options='--config --socket --fence-token --' ;;
		list) options='--socket' ;;
		daemon) options='--config' ;;
		serve) options='--config --listen' ;;
		check) options='--config --json --fail-on --sudoers --untrusted-files' ;;
		explain) options='--config --semantics --json --untrusted-files --' ;;
		suggest) options='--config --run-as --untrusted-files' ;;
		status) options='--json --openmetrics --control' ;;
		lock) options='--shared --timeout --fair --folder --prefix --oslo --wrapper --help --' ;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		return
	fi
	case ${COMP_WORDS[1]} in
	run | explain | lock) # a command, and then what that completes to
		for ((i = 2; i < COMP_CWORD; i++)); do
			if [[ ${COMP_WORDS[i]} == -- ]]; then
				if declare -F _command_offset >/dev/null; then
					_command_offset $((i + 1))
					return
				fi
				break
			fi
		done
		mapfile -t COMPREPLY < <(compgen -c -- "$cur")
		;;
	*) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	esac
}
complete -F _privhelper privhelper
