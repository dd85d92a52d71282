# bash completion for tpod. Made by 'npm run docs'; 'tpod completion bash' prints it.
_tpod() {
  local line="${COMP_LINE:0:COMP_POINT}" words cur candidate kind='' prefix
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  cur="${words[-1]}"
  COMPREPLY=()
  while IFS= read -r candidate; do
    case $candidate in
      :files) kind=files ;;
      :directories) kind=directories ;;
      *) COMPREPLY+=("${candidate%%$'\t'*}") ;;
    esac
  done < <("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
  if [[ $kind == files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -f -- "$cur")
  elif [[ $kind == directories ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -d -- "$cur")
  fi
  # Readline breaks words at = and : and replaces only the last part.
  if [[ $cur == *[:=]* && $kind == '' ]]; then
    prefix="${cur%"${cur##*[:=]}"}"
    COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
  fi
}
complete -F _tpod tpod
