# What every terminal of a notebook reads first. The home folder is memory and forgets; the work folder stays,
# so a person's own settings are read from there.
[ -n "${PS1:-}" ] || return 0
shopt -s checkwinsize histappend
PS1='\u:\w\$ '
PROMPT_COMMAND='history -a'
alias ls='ls --color=auto' ll='ls -l'
[ -n "${PORTAL_WITHOUT_SETTINGS:-}" ] || [ ! -r "$NOTEBOOK_DIR/.bashrc" ] || . "$NOTEBOOK_DIR/.bashrc"
