/**
 * Completion scripts. They know no commands: each key press asks `tpod __complete WORDS…` (some 20 ms), which answers from the
 * same definitions as the parser and the help, and from the store.
 */

export const completionShells = ['bash', 'zsh', 'fish'] as const

const bash = String.raw`# bash completion for tpod. Made by 'npm run docs'; 'tpod completion bash' prints it.
_tpod() {
  local line=${'"${COMP_LINE:0:COMP_POINT}"'} words cur candidate kind='' prefix
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  cur=${'"${words[-1]}"'}
  COMPREPLY=()
  while IFS= read -r candidate; do
    case $candidate in
      :files) kind=files ;;
      :directories) kind=directories ;;
      *) COMPREPLY+=(${'"${candidate%%$\'\\t\'*}"'}) ;;
    esac
  done < <(${'"${words[0]/#\\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null'})
  if [[ $kind == files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -f -- "$cur")
  elif [[ $kind == directories ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -d -- "$cur")
  fi
  # Readline breaks words at = and : and replaces only the last part.
  if [[ $cur == *[:=]* && $kind == '' ]]; then
    prefix=${'"${cur%"${cur##*[:=]}"}"'}
    COMPREPLY=(${'"${COMPREPLY[@]#"$prefix"}"'})
  fi
}
complete -F _tpod tpod
`

const zsh = String.raw`#compdef tpod
# zsh completion for tpod. Made by 'npm run docs'; 'tpod completion zsh' prints it.
_tpod() {
  local -a lines described
  local line kind=''
  lines=(${'"${(@f)$(${(Q)words[1]} __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"'})
  for line in $lines; do
    case $line in
      :files) kind=files ;;
      :directories) kind=directories ;;
      *) described+=(${'"${${line%%$\'\\t\'*}//:/\\\\:}:${line#*$\'\\t\'}"'}) ;;
    esac
  done
  (( $#described )) && _describe -V tpod described
  [[ $kind == files ]] && _files
  [[ $kind == directories ]] && _files -/
}
if [ "$funcstack[1]" = _tpod ]; then
  _tpod "$@"
else
  compdef _tpod tpod
fi
`

const fish = String.raw`# fish completion for tpod. Made by 'npm run docs'; 'tpod completion fish' prints it.
function __tpod_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l program $words[1]
    for line in ($program __complete $words[2..-1] 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path (commandline -ct)
            case ':directories'
                __fish_complete_directories (commandline -ct)
            case '*'
                printf '%s\n' $line
        end
    end
end
complete -c tpod -f -a '(__tpod_complete)'
`

const scripts: Readonly<Record<string, string>> = { bash, zsh, fish }

/** Undefined for a shell that has none. */
export function completionScript(shell: string): string | undefined {
  return Object.hasOwn(scripts, shell) ? scripts[shell] : undefined
}
